// A small SMART app: the newest laboratory results of the person it was launched for, by the standard client only.
(() => {
  'use strict';
  const LABORATORY = 'category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory';
  const DATA = `openid fhirUser patient/Patient.rs patient/Observation.rs?${LABORATORY}`;
  const about = document.getElementById('about');

  const day = (text) => (text ? text.slice(0, 10).split('-').reverse().join('/') : '');
  const name = (one) => one.code.text || (one.code.coding || []).map((c) => c.display || c.code)[0] || '';
  const value = (one) => (one.valueQuantity
    ? `${String(one.valueQuantity.value).replace('.', ',')} ${one.valueQuantity.unit || ''}`
    : one.valueString || (one.valueCodeableConcept && one.valueCodeableConcept.text) || '');

  function launch() {
    const isLaunched = new URLSearchParams(location.search).has('launch');
    return FHIR.oauth2.authorize({
      clientId: 'sample',
      iss: `${location.origin}/fhir`,
      redirectUri: `${location.origin}/apps/sample/`,
      scope: `${isLaunched ? 'launch' : 'launch/patient'} ${DATA}`,
      pkceMode: 'required',
    });
  }

  function draw(results) {
    const groups = new Map();
    for (const one of results.filter((each) => each.valueQuantity && each.effectiveDateTime)) {
      groups.set(name(one), [...(groups.get(name(one)) || []), one]);
    }
    const select = document.getElementById('test');
    if (!groups.size) return;
    for (const [title] of [...groups].sort((a, b) => b[1].length - a[1].length)) select.add(new Option(title, title));
    select.hidden = select.labels[0].hidden = false;
    const chart = echarts.init(document.getElementById('chart'), null, { renderer: 'svg' });
    const show = () => {
      const shown = [...groups.get(select.value)].sort((a, b) => a.effectiveDateTime.localeCompare(b.effectiveDateTime));
      chart.setOption({
        animation: false,
        tooltip: { trigger: 'axis' },
        xAxis: { type: 'category', data: shown.map((one) => day(one.effectiveDateTime)) },
        yAxis: { type: 'value', scale: true, name: shown[0].valueQuantity.unit || '' },
        series: [{ type: 'line', symbolSize: 9, data: shown.map((one) => one.valueQuantity.value) }],
      }, true);
    };
    select.addEventListener('change', show);
    show();
  }

  async function show() {
    const client = await FHIR.oauth2.ready();
    const patient = await client.patient.read();
    const query = `Observation?patient=${client.patient.id}&category=laboratory&_sort=-date&_count=100`;
    const results = await client.request(query, { flat: true, pageLimit: 1 });
    const person = (patient.name || [])[0] || {};
    document.getElementById('who').textContent = person.text || [person.family, ...(person.given || [])].join(' ');
    about.textContent = results.length ? `${results.length} kết quả xét nghiệm gần nhất` : 'Chưa có kết quả xét nghiệm';
    const table = document.getElementById('results');
    for (const one of results) {
      const row = table.tBodies[0].insertRow();
      for (const text of [day(one.effectiveDateTime), name(one), value(one)]) row.insertCell().textContent = text;
    }
    table.hidden = !results.length;
    draw(results);
  }

  const step = document.body.dataset.step === 'launch' ? launch : show;
  step().catch(() => { about.textContent = 'Ứng dụng không được phép xem dữ liệu.'; });
})();
