// SMART's JavaScript client against a node: node smart.mjs BASE TOKEN; prints what it saw as JSON.
import { createRequire } from 'node:module';

// Its entry for servers wants an HTTP request and a response; only the client itself is used here.
const FHIR = createRequire(import.meta.url)('fhirclient');
const [base, token] = process.argv.slice(2);
const client = FHIR({ headers: {} }, {}).client({ serverUrl: `${base}/fhir`, tokenResponse: { access_token: token } });

const family = `Smart${Date.now()}`;
const seen = {};
const patient = await client.create({ resourceType: 'Patient', name: [{ family }] });
seen.created = patient.meta.versionId;
seen.read = (await client.request(`Patient/${patient.id}`)).name[0].family === family;
seen.updated = (await client.update({ ...patient, gender: 'male' })).gender;
seen.patched = (await client.patch(`Patient/${patient.id}`, [{ op: 'replace', path: '/gender', value: 'other' }])).gender;
for (const n of [1, 2, 3]) {
  await client.create({
    resourceType: 'Observation', status: 'final', code: { text: `test ${n}` },
    subject: { reference: `Patient/${patient.id}` },
  });
}
const pages = await client.request(`Observation?patient=${patient.id}&_count=2`, { pageLimit: 0, flat: true });
seen.paged = pages.length;
seen.resolved = (await client.request(`Observation?patient=${patient.id}&_count=1`,
  { resolveReferences: ['subject'], flat: true }))[0].subject.name[0].family === family;
const json = (method, path, body, headers = {}) => client.request({
  url: path, method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/fhir+json', ...headers },
});
const again = { resourceType: 'Patient', name: [{ family }] };
seen.conditional = (await json('POST', 'Patient', again, { 'If-None-Exist': `family=${family}` })).id === patient.id;
seen.stale = await json('PUT', `Patient/${patient.id}`, { ...again, id: patient.id }, { 'If-Match': 'W/"1"' })
  .catch((error) => error.status);
seen.matched = (await json('PUT', `Patient/${patient.id}`, { ...patient, gender: 'female' }, { 'If-Match': 'W/"3"' }))
  .meta.versionId;
const entry = [
  { request: { method: 'GET', url: `Patient/${patient.id}` } }, { request: { method: 'GET', url: 'Patient/absent' } },
];
seen.batch = (await json('POST', '', { resourceType: 'Bundle', type: 'batch', entry }))
  .entry.map((one) => one.response.status.slice(0, 3));
seen.history = (await client.request(`Patient/${patient.id}/_history`)).entry.map((one) => one.resource.meta.versionId);
seen.everything = (await client.request(`Patient/${patient.id}/$everything`)).entry.length;
seen.version = await client.getFhirRelease();
for (const one of pages) await client.delete(`Observation/${one.id}`);
await client.delete(`Patient/${patient.id}`);
seen.gone = await client.request(`Patient/${patient.id}`).catch((error) => error.status);
console.log(JSON.stringify(seen));
