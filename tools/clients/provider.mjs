// An OpenID provider for tests: node provider.mjs PORT KID CLIENT_ID SECRET REDIRECT LOGGED_OUT.
// Whoever types a name is that person: sub is `id-NAME`, preferred_username NAME, groups what follows a `+` in it.
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port, kid, client_id, client_secret, redirect, loggedOut] = process.argv.slice(2);
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id, client_secret, redirect_uris: [redirect], post_logout_redirect_uris: [loggedOut] }],
  jwks: { keys: [{ ...key, kid, use: 'sig', alg: 'RS256' }] },
  claims: { openid: ['sub', 'auth_time'], profile: ['preferred_username', 'email', 'groups'] },
  cookies: { keys: ['only for tests'] },
  pkce: { required: () => true },
  findAccount: (_ctx, id) => {
    const [name, ...groups] = id.split('+');
    return {
      accountId: id,
      claims: async () => ({ sub: `id-${name}`, preferred_username: name, email: `${name}@example.vn`, groups }),
    };
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
