// SMART's JavaScript client as an app of its own that a person lets in: node launch.mjs BASE CLIENT_ID PORT
// Serves /launch (off to the authorization) and /back (tokens, data, renewal), then prints what it saw as JSON.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const smart = createRequire(import.meta.url)('fhirclient');
const [base, clientId, port] = process.argv.slice(2);
const kept = {};
const storage = {
  get: async (key) => kept[key],
  set: async (key, value) => { kept[key] = value; return value; },
  unset: async (key) => delete kept[key],
};
const scope = 'launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs';

async function seen(client) {
  const first = client.state.tokenResponse;
  const found = { patient: client.patient.id, granted: first.scope, user: client.user.fhirUser };
  found.read = (await client.patient.read()).id === client.patient.id;
  const results = await client.patient.request('Observation?_count=1000', { pageLimit: 0, flat: true });
  found.others = results.filter((one) => one.subject.reference !== `Patient/${client.patient.id}`).length;
  found.some = results.length > 0;
  found.beyond = await client.request('Condition').catch((error) => error.statusCode);
  found.write = await client.create({ resourceType: 'Patient' }).catch((error) => error.statusCode);
  const { access_token: before, refresh_token: renewal } = first;
  await client.refresh();
  const { access_token: after, refresh_token: next } = client.state.tokenResponse;
  found.renewed = before !== after && renewal !== next;
  found.again = (await client.patient.read()).id === client.patient.id;
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: renewal, client_id: clientId });
  found.replayed = (await (await fetch(`${base}/oauth/token`, { method: 'POST', body })).json()).error;
  // The door remembers for some seconds who a token is.
  for (let n = 0; n < 60 && found.ended !== 401; n++) {
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    found.ended = (await fetch(`${base}/fhir/Patient/${client.patient.id}`,
      { headers: { authorization: `Bearer ${after}` } })).status;
  }
  return found;
}

const server = createServer(async (request, response) => {
  const api = smart(request, response, storage);
  if (request.url.startsWith('/launch')) {
    await api.authorize({ clientId, scope, iss: `${base}/fhir`, redirectUri: '/back', pkceMode: 'required' });
    return;
  }
  try {
    console.log(JSON.stringify(await seen(await api.ready())));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
  response.end();
  server.close();
  server.closeAllConnections();
});
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
