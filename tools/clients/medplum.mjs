// Medplum's client against a node: node medplum.mjs BASE CLIENT_ID CLIENT_SECRET; prints what it saw as JSON.
import { MedplumClient } from '@medplum/core';

const [base, id, secret] = process.argv.slice(2);
const client = new MedplumClient({ baseUrl: base, fhirUrlPath: 'fhir', tokenUrl: `${base}/oauth/token`, fetch });
await client.startClientLogin(id, secret);

const family = `Medplum${Date.now()}`;
const seen = {};
const patient = await client.createResource({ resourceType: 'Patient', name: [{ family, given: ['Pâng'] }] });
seen.created = patient.meta.versionId;
seen.read = (await client.readResource('Patient', patient.id)).name[0].family === family;
seen.updated = (await client.updateResource({ ...patient, gender: 'female' })).gender;
seen.patched = (await client.patchResource('Patient', patient.id, [
  { op: 'add', path: '/birthDate', value: '1972-03-12' },
])).birthDate;
seen.history = (await client.readHistory('Patient', patient.id)).entry.length;
seen.version = (await client.readVersion('Patient', patient.id, patient.meta.versionId)).birthDate ?? null;
seen.found = (await client.searchResources('Patient', { family })).length;
seen.one = (await client.searchOne('Patient', `family=${family}`)).id === patient.id;
seen.conditional = (await client.createResourceIfNoneExist(
  { resourceType: 'Patient', name: [{ family }] }, `family=${family}`)).id === patient.id;
seen.upserted = (await client.upsertResource(
  { resourceType: 'Patient', active: true, name: [{ family }] }, { family })).active;
const batch = await client.executeBatch({
  resourceType: 'Bundle', type: 'transaction',
  entry: [1, 2, 3].map((n) => ({
    fullUrl: `urn:uuid:00000000-0000-4000-8000-00000000000${n}`,
    request: { method: 'POST', url: 'Observation' },
    resource: {
      resourceType: 'Observation', status: 'final', code: { text: `test ${n}` },
      subject: { reference: `Patient/${patient.id}` },
    },
  })),
});
seen.transaction = batch.entry.map((entry) => entry.response.status.slice(0, 3));
const mixed = await client.executeBatch({
  resourceType: 'Bundle', type: 'batch',
  entry: [
    { request: { method: 'GET', url: `Patient/${patient.id}` } },
    { request: { method: 'GET', url: 'Patient/absent' } },
    { request: { method: 'GET', url: `Observation?patient=${patient.id}&_summary=count` } },
    { request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Patient', gender: 'x' } },
  ],
});
seen.batch = mixed.entry.map((entry) => entry.response.status.slice(0, 3));
seen.counted = mixed.entry[2].resource.total;
seen.stale = await client.updateResource({ ...patient, gender: 'other' }, { headers: { 'If-Match': 'W/"1"' } })
  .catch((error) => error.outcome.issue[0].code);
const everything = await client.readPatientEverything(patient.id);
seen.everything = everything.entry.map((entry) => entry.resource.resourceType).sort();
seen.valid = (await client.validateResource({ resourceType: 'Patient', name: [{ family }] })).issue
  .filter((issue) => issue.severity === 'error').length;
seen.expanded = (await client.valueSetExpand({ url: 'http://hl7.org/fhir/ValueSet/administrative-gender' }))
  .expansion.contains.map((one) => one.code);
seen.graphql = (await client.graphql(
  `{ Patient(id: "${patient.id}") { name { family } } ObservationList(patient: "${patient.id}") { status } }`)).data;
seen.reference = (await client.readReference({ reference: `Patient/${patient.id}` })).id === patient.id;
let paged = 0;
for await (const page of client.searchResourcePages('Observation', `patient=${patient.id}&_count=1`)) paged += page.length;
seen.paged = paged;
for (const entry of await client.searchResources('Observation', `patient=${patient.id}`)) {
  await client.deleteResource('Observation', entry.id);
}
await client.deleteResource('Patient', patient.id);
client.invalidateAll();
seen.gone = await client.readResource('Patient', patient.id).catch((error) => error.outcome.issue[0].code);
seen.refused = await client.createResource({ resourceType: 'Patient', gender: 'x' })
  .catch((error) => error.outcome.issue[0].expression[0]);
console.log(JSON.stringify(seen));
