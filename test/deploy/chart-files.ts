import { readFileSync } from 'node:fs';
import type { Helm } from '../backends/helm.ts';
import { CHART } from './chart.ts';
import { plainManifests } from './plain-manifests.ts';
import { valuesSchema } from './values-schema.ts';
import { valuesTable } from './values-table.ts';

const TABLE = /(?<=<!-- made by npm run manifests -->\n)[^]*?(?=\n<!-- end -->)/;

function readme(): string {
  const values = readFileSync(`${CHART}/values.yaml`, 'utf8');
  return readFileSync(`${CHART}/README.md`, 'utf8').replace(TABLE, () => valuesTable(values));
}

/** All files that are made from the chart, or for it, by their paths. */
export async function chartFiles(helm: Helm): Promise<ReadonlyMap<string, string>> {
  return new Map([
    [`${CHART}/values.schema.json`, `${JSON.stringify(valuesSchema(), null, 1)}\n`],
    [`${CHART}/README.md`, readme()],
    ...(await plainManifests(helm)),
  ]);
}
