// The authorization server of a tool server (npm `oidc-provider`): the gateway gets tokens there by client
// credentials and by token exchange (RFC 8693), and ends them (RFC 7009). Tokens for a resource that ends
// in /opaque can be ended; others are JWTs. Clients, keys and whose tokens may be exchanged come in by the
// environment. It prints its issuer when it answers, and ends with its standard input.

import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';
import { createLocalJWKSet, jwtVerify } from 'jose';

const clients = JSON.parse(process.env.AS_CLIENTS);
const key = JSON.parse(process.env.AS_KEY);
const trusted = createLocalJWKSet(JSON.parse(process.env.AS_TRUSTED));
const { d: _, ...ours } = key;
const own = createLocalJWKSet({ keys: [ours] });
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const SCOPES = 'read write';

function resourceServer(resource) {
  const opaque = resource.endsWith('/opaque');
  const how = opaque ? { accessTokenFormat: 'opaque' } : { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
  return { scope: SCOPES, audience: resource, accessTokenTTL: 600, ...how };
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [key] },
    clientAuthMethods: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => resourceServer(resource),
      },
    },
    extraTokenClaims: (ctx) =>
      ctx.oidc.params.grant_type === EXCHANGE ? { act: { sub: ctx.oidc.actor } } : {},
    scopes: SCOPES.split(' '),
  });
  async function acting(token) {
    if (token.includes('.')) return (await jwtVerify(token, own)).payload.client_id;
    return (await provider.ClientCredentials.find(token))?.clientId;
  }
  async function exchange(ctx) {
    const { client, params } = ctx.oidc;
    const actor = await acting(params.actor_token);
    const subject = await jwtVerify(params.subject_token, trusted).catch(() => {
      throw new errors.InvalidGrant('subject_token');
    });
    if (!actor) throw new errors.InvalidGrant('actor_token');
    ctx.oidc.actor = actor;
    const token = new provider.AccessToken({
      client, accountId: subject.payload.sub, gty: 'exchange', scope: params.scope,
    });
    token.resourceServer = new provider.ResourceServer(params.resource, resourceServer(params.resource));
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: token.expiration,
    };
  }
  const names = 'subject_token subject_token_type actor_token actor_token_type requested_token_type scope resource audience';
  provider.registerGrantType(EXCHANGE, exchange, names.split(' '));
  provider.on('server_error', (ctx, error) => console.error(error));
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
