// A certified OpenID provider on a port of the system's choice: agents get access tokens by client
// credentials, for the resource they name, and the gateway may ask about them (RFC 7662). Its clients, its key
// and the format of its tokens (jwt, opaque) come in by IDP_CLIENTS, IDP_KEY and IDP_FORMAT.
// It prints its issuer when it answers, and ends with its standard input.

import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const clients = JSON.parse(process.env.IDP_CLIENTS);
const key = JSON.parse(process.env.IDP_KEY);
const format = JSON.parse(process.env.IDP_FORMAT);
const how = format === 'opaque' ? {} : { jwt: { sign: { alg: 'ES256' } } };

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [key] },
    clientAuthMethods: ['private_key_jwt', 'client_secret_basic'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'mcp:data mcp:tool mcp:admin',
          audience: resource,
          accessTokenFormat: format,
          accessTokenTTL: 600,
          ...how,
        }),
      },
    },
    extraTokenClaims: () => ({ task: 'T-42', intent: 'triage' }),
    scopes: ['mcp:data', 'mcp:tool', 'mcp:admin'],
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
