import { readFile } from 'node:fs/promises';
import { format, type FormatConfig } from 'oxfmt';
import { runHelm } from '../kit/backends/helm-calls.ts';
import type { Tool } from '../kit/backends/tool.ts';
import { CHART } from './chart.ts';

const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  name: quaymaster
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/audit: restricted
    pod-security.kubernetes.io/warn: restricted
`;

const BROKER = `# One broker with its own SQLite store, in a namespace of its own: what the chart in deploy/helm makes with the values of
# deploy/helm/plain.values.yaml. docs/install.md says how it is brought up and what to change: the image, the audit origin (the log's name
# for ever: choose it before the first start), the certificate, the storage.
`;

const INITIALISE = `# Made from the chart in deploy/helm, as deploy/quaymaster.yaml is. Run it while no broker runs, because one process holds the store:
# docs/install.md.
`;

async function rendered(helm: Tool, args: readonly string[]): Promise<string> {
  const base = ['template', 'quaymaster', CHART, '--namespace', 'quaymaster', '--no-hooks'];
  const values = ['--values', 'deploy/helm/plain.values.yaml'];
  const { code, stdout, stderr } = await runHelm(helm, [...base, ...values, ...args]);
  if (code !== 0) throw new Error(stderr);
  return stdout.replaceAll(/^# Source: .*\n/gm, '').replace(/^---\n/, '');
}

/** A file of the chart in the format that `npm run check:format` wants, with its path. */
export async function formatted(path: string, text: string): Promise<[string, string]> {
  const options = JSON.parse(await readFile('.oxfmtrc.json', 'utf8')) as FormatConfig;
  const { code, errors } = await format(path, text, options);
  if (errors.length > 0) throw new Error(`${path}: ${JSON.stringify(errors)}`);
  return [path, code];
}

/** The manifests for installations without Helm, by their paths, generated from the chart. */
export async function plainManifests(helm: Tool): Promise<ReadonlyMap<string, string>> {
  const job = ['--set', 'initialise.enabled=true', '--show-only', 'templates/initialise.yaml'];
  return new Map([
    await formatted(
      'deploy/quaymaster.yaml',
      `${BROKER}${NAMESPACE}---\n${await rendered(helm, [])}`,
    ),
    await formatted('deploy/initialise.yaml', `${INITIALISE}${await rendered(helm, job)}`),
  ]);
}
