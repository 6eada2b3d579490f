// A certified OpenID provider on a port of the system's choice: agents get access tokens by client
// credentials, for the resource they name. Its clients and its key come in by IDP_CLIENTS and IDP_KEY.
// It prints its issuer when it answers, and ends with its standard input.

import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const clients = JSON.parse(process.env.IDP_CLIENTS);
const key = JSON.parse(process.env.IDP_KEY);

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
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          scope: 'mcp:data mcp:tool mcp:admin',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
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
