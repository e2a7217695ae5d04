// An OpenID provider for tests: node provider.mjs PORT KID CLIENT_ID SECRET REDIRECT LOGGED_OUT.
// Whoever types a name is that person, under which `sub` and `preferred_username` are known.
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [port, kid, client_id, client_secret, redirect, loggedOut] = process.argv.slice(2);
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id, client_secret, redirect_uris: [redirect], post_logout_redirect_uris: [loggedOut] }],
  jwks: { keys: [{ ...key, kid, use: 'sig', alg: 'RS256' }] },
  claims: { openid: ['sub', 'auth_time'], profile: ['preferred_username', 'email'] },
  cookies: { keys: ['only for tests'] },
  pkce: { required: () => true },
  findAccount: (_ctx, name) => ({
    accountId: name,
    claims: async () => ({ sub: name, preferred_username: name, email: `${name}@example.vn` }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
process.stdin.resume().on('end', () => process.exit()); // with whoever started it
