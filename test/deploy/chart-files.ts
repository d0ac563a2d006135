import { readFileSync } from 'node:fs';
import type { Tool } from '../kit/backends/tool.ts';
import { CHART } from './chart.ts';
import { customResources } from './custom-resources.ts';
import { formatted, plainManifests } from './plain-manifests.ts';
import { valuesSchema } from './values-schema.ts';
import { valuesTable } from './values-table.ts';

const TABLE = /(?<=<!-- made by npm run manifests -->\n)[^]*?(?=\n<!-- end -->)/;

function readme(): string {
  const values = readFileSync(`${CHART}/values.yaml`, 'utf8');
  return readFileSync(`${CHART}/README.md`, 'utf8').replace(TABLE, () => valuesTable(values));
}

/**
 * All files that are generated from the chart, or for it, with their paths; the schema comes first, because Helm reads
 * it for the others.
 */
export async function* chartFiles(helm: Tool): AsyncGenerator<readonly [string, string]> {
  yield [`${CHART}/values.schema.json`, `${JSON.stringify(valuesSchema(), null, 1)}\n`];
  yield await formatted(`${CHART}/files/custom-resources.yaml`, customResources());
  // A chart holds no file from outside its directory.
  yield [`${CHART}/files/alerts.yaml`, readFileSync('deploy/prometheus/alerts.yaml', 'utf8')];
  yield [`${CHART}/files/dashboard.json`, readFileSync('deploy/grafana/quaymaster.json', 'utf8')];
  yield [`${CHART}/README.md`, readme()];
  yield* await plainManifests(helm);
}
