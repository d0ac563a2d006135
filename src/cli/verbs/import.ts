import { confirm } from '../connection/confirm.ts';
import { readText } from '../connection/connection.ts';
import type { Broker } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { counted } from '../kernel/count.ts';
import { EXIT, Failed, type ExitCode } from '../kernel/errors.ts';
import { keepExisting, planImport, type PlannedImport } from '../import/import-plan.ts';
import type { ImportSource, ListedPath } from '../import/import-source.ts';
import { readMap } from '../import/mapping.ts';
import { runImport, type ImportResult } from '../import/run-import.ts';
import { table } from '../output/table.ts';
import { stopped } from '../output/unknown-outcome.ts';

interface EveryImport {
  readonly from?: string;
  readonly to?: string;
  readonly map?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

interface VaultOptions extends EveryImport {
  readonly address: string;
  readonly vaultTokenFile: string;
  readonly mount: string;
  readonly kv?: '1' | '2';
  readonly namespace?: string;
  readonly vaultCa?: string;
}

/** Copies the current versions of a KV engine. */
export async function runImportVault(
  context: CliContext,
  { options }: Call<VaultOptions>,
): Promise<ExitCode> {
  const { VaultHttp } = await import('../import/vault-http.ts');
  const { VaultSource } = await import('../import/vault-source.ts');
  const { address, namespace, mount, kv, vaultCa, from = '' } = options;
  const token = (await readText(options.vaultTokenFile)).trim();
  const ca = vaultCa === undefined ? undefined : await readText(vaultCa);
  const access = { address, token, namespace, ca };
  const http = new VaultHttp(access, context.clock, context.signal);
  const place = { mount: trimmed(mount), prefix: trimmed(from), kv };
  return copy(context, await VaultSource.open(http, place), options);
}

interface AwsOptions extends EveryImport {
  readonly region: string;
  readonly endpoint?: string;
}

/** Copies the current versions of an account's secrets. */
export async function runImportAws(
  context: CliContext,
  { options }: Call<AwsOptions>,
): Promise<ExitCode> {
  const { AwsSource } = await import('../import/aws-source.ts');
  const { region, endpoint, from = '' } = options;
  const place = { region, endpoint, prefix: trimmed(from) };
  const source = await AwsSource.open(place, context.signal);
  return copy(context, source, options);
}

async function copy(
  context: CliContext,
  source: ImportSource,
  options: EveryImport,
): Promise<ExitCode> {
  try {
    const { output } = context;
    const plan = await planPaths(context, source, options);
    const additions = plan.filter(({ state }) => state === 'create').length;
    if (options.dryRun === true) {
      await output.show({ items: plan }, () => planText(plan));
      return additions > 0 ? EXIT.changes : EXIT.done;
    }
    output.note(summary(source.label, plan));
    if (additions > 0) {
      await confirm(
        context,
        (url) => `Write ${counted(additions, 'secret')} to ${url}`,
        options.yes,
      );
    }
    const { results, stoppedBy } = await runImport(context, await context.broker(), source, plan);
    try {
      await output.show({ items: results }, () => resultText(results));
    } catch (error) {
      throw stopped(stoppedBy ?? error, progressOf(results));
    }
    if (stoppedBy !== undefined) throw stopped(stoppedBy, progressOf(results));
    return results.every(isExpected) ? EXIT.done : EXIT.failed;
  } finally {
    source.close();
  }
}

/** The plan for the current content of the source and the broker. @throws UsageError for an invalid map, Failed if `--from` contains nothing */
async function planPaths(
  context: CliContext,
  source: ImportSource,
  { from = '', to = '', map }: EveryImport,
): Promise<readonly PlannedImport[]> {
  const { exact, refuseUnknownSources } = await readMap(map);
  const mapping = { from: trimmed(from), to: trimmed(to), exact };
  const broker = await context.broker();
  const sources = await listPaths(context, source);
  if (sources.length === 0 && mapping.from !== '') {
    throw new Failed(
      `${source.label} has nothing below "${mapping.from}"; --from is a folder by its name at the source, and without --from everything is copied`,
      EXIT.notFound,
    );
  }
  refuseUnknownSources(new Set(sources.map(({ path }) => path)));
  const plan = planImport(sources, mapping);
  return keepExisting(plan, await existingPaths(broker, plan, mapping.to));
}

async function listPaths(
  { output, signal }: CliContext,
  source: ImportSource,
): Promise<readonly ListedPath[]> {
  const found: ListedPath[] = [];
  for await (const path of source.list()) {
    signal.throwIfAborted();
    found.push(path);
    output.progress(`${found.length} found`);
  }
  output.endProgress();
  return found;
}

/** The paths that exist at the broker, below the prefix and wherever else the map puts a secret. */
async function existingPaths(
  broker: Broker,
  plan: readonly PlannedImport[],
  prefix: string,
): Promise<ReadonlySet<string>> {
  const targets = plan.flatMap(({ state, target }) => (state === 'create' ? [target ?? ''] : []));
  const elsewhere = targets.filter((target) => prefix !== '' && !target.startsWith(`${prefix}/`));
  // The list of a prefix does not contain a secret whose path equals the prefix.
  const folders = elsewhere.map((target) => target.slice(0, Math.max(0, target.lastIndexOf('/'))));
  const found = new Set<string>();
  for (const place of new Set([prefix, ...folders])) {
    const query = { limit: 1000, ...defined({ prefix: place === '' ? undefined : place }) };
    for await (const { path } of broker.pages('listSecrets', { query })) found.add(path);
  }
  return found;
}

function trimmed(path: string): string {
  return path.replace(/^\/+|\/+$/g, '');
}

function summary(label: string, plan: readonly PlannedImport[]): string {
  const count = (state: PlannedImport['state']): number =>
    plan.filter((each) => each.state === state).length;
  return `${label}: ${count('create')} to copy, ${count('exists')} exist already, ${count('left out')} left out, ${count('unnameable')} need a name in --map, ${count('unreadable')} cannot be read`;
}

function planText(plan: readonly PlannedImport[]): string {
  const rows = plan.map(({ source, target, state, code }) => [source, target, code ?? state]);
  return table(['source', 'target', 'plan'], rows);
}

const EXPECTED: readonly ImportResult['outcome'][] = ['created', 'exists', 'empty', 'left out'];

function isExpected({ outcome }: ImportResult): boolean {
  return EXPECTED.includes(outcome);
}

/** The progress on one line. */
function progressOf(results: readonly ImportResult[]): string {
  const count = (outcome: ImportResult['outcome']): number =>
    results.filter((each) => each.outcome === outcome).length;
  return `${count('created')} copied, ${count('not known')} possibly copied, ${count('not reached')} not reached; run the command again to continue: existing secrets stay unchanged`;
}

/** The secrets that were not copied, and how many were. */
function resultText(results: readonly ImportResult[]): string {
  const created = results.filter(({ outcome }) => outcome === 'created').length;
  const rest = results.filter(({ outcome }) => outcome !== 'created');
  const rows = rest.map(({ source, target, outcome, code }) => [source, target, code ?? outcome]);
  const lines = rest.length === 0 ? [] : [table(['not copied', 'target', 'why'], rows), ''];
  return [...lines, `${created} copied`].join('\n');
}
