// An OpenID provider that nobody here wrote (npm `oidc-provider`), on loopback, for the tests of foreign issuers.
//
// Usage: node provider.mjs PORT KEY. PORT 0 takes any free one; KEY is the name of its only signing key, made anew. It
// says its port in one line of JSON. Then each line of standard input is a wish: `client` or `user`, with a space and the
// claims that the token is to have, as JSON. The answer is a line with an access token, got the way a client of that kind
// gets one: by its own credentials, or by a user who logs in and consents. It ends with its standard input.

import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

// Standard output is for answers.
console.info = console.error;

const AUDIENCE = 'https://gateway.example.de';
const REDIRECT = 'https://portal.example.de/back';
const CLIENT = { id: 'portal', secret: 'not a secret of anybody' };

const [port, kid] = process.argv.slice(2);
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' };

const server = createServer();
await new Promise((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

// The claims of the next token.
let claims = {};
const provider = new Provider(issuer, {
  clients: [{
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    grant_types: ['client_credentials', 'authorization_code'],
    response_types: ['code'],
    redirect_uris: [REDIRECT],
    id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [key] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'jump',
        audience: AUDIENCE,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  extraTokenClaims: () => claims,
});
server.on('request', provider.callback());

const form = (fields) => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields),
});

async function token(fields) {
  const request = form(fields);
  request.headers.authorization = `Basic ${btoa(`${CLIENT.id}:${encodeURIComponent(CLIENT.secret)}`)}`;
  const answer = await (await fetch(`${issuer}/token`, request)).json();
  if (!answer.access_token) throw new Error(JSON.stringify(answer));
  return answer.access_token;
}

const byItself = () => token({ grant_type: 'client_credentials', scope: 'jump' });

// A browser's part: follows redirects with cookies, logs in and consents where it is asked.
async function byUser(user) {
  const verifier = randomBytes(32).toString('base64url');
  const cookies = new Map();
  let place = `${issuer}/auth?${new URLSearchParams({
    client_id: CLIENT.id,
    response_type: 'code',
    redirect_uri: REDIRECT,
    scope: 'openid jump',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })}`;
  let request = {};
  for (let step = 0; step < 12; step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(place, { ...request, redirect: 'manual', headers: { ...request.headers, cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      cookies.set(name, value);
    }
    request = {};
    const next = answer.headers.get('location');
    if (next?.startsWith(REDIRECT)) {
      const code = new URL(next).searchParams.get('code');
      return token({ grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier });
    }
    if (next) {
      place = new URL(next, place).href;
    } else {
      const page = await answer.text();
      const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
      request = form(prompt === 'login' ? { prompt, login: user, password: 'any' } : { prompt });
    }
  }
  throw new Error('no end of it');
}

console.log(JSON.stringify({ port: server.address().port }));
for await (const line of createInterface({ input: process.stdin })) {
  const [kind, ...rest] = line.split(' ');
  claims = JSON.parse(rest.join(' '));
  console.log(kind === 'user' ? await byUser('b-1') : await byItself());
}
process.exit(0);
