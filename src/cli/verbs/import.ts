import { confirm } from '../ask.ts';
import { collect } from '../collect.ts';
import { readText } from '../connection.ts';
import type { Broker } from '../broker.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { planImport, type Mapping, type PlannedImport } from '../import/import-plan.ts';
import type { ImportSource } from '../import/import-source.ts';
import { runImport, type ImportResult } from '../import/run-import.ts';
import { table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';

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
  const source = await AwsSource.open({ region, endpoint, prefix: trimmed(from) });
  return copy(context, source, options);
}

async function copy(
  context: CliContext,
  source: ImportSource,
  options: EveryImport,
): Promise<ExitCode> {
  try {
    const { output } = context;
    const mapping = await mappingOf(options);
    const broker = await context.broker();
    const plan = planImport(
      await listed(context, source),
      mapping,
      await existingPaths(broker, mapping.to),
    );
    const news = plan.filter(({ state }) => state === 'create').length;
    if (options.dryRun === true) {
      await output.show({ items: plan }, () => planText(plan));
      return news > 0 ? EXIT.changes : EXIT.done;
    }
    output.note(summary(source.label, plan));
    if (news > 0) await confirm(context, `write ${news} secrets`, options.yes);
    const results = await runImport(context, broker, source, plan);
    await output.show({ items: results }, () => resultText(results));
    return results.every(isWell) ? EXIT.done : EXIT.failed;
  } finally {
    source.close();
  }
}

async function listed(
  { output, signal }: CliContext,
  source: ImportSource,
): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const path of source.list()) {
    signal.throwIfAborted();
    found.push(path);
    output.progress(`${found.length} found`);
  }
  output.endProgress();
  return found;
}

async function existingPaths(broker: Broker, prefix: string): Promise<ReadonlySet<string>> {
  const query = { limit: 1000, ...defined({ prefix: prefix === '' ? undefined : prefix }) };
  const items = await collect(broker.pages('listSecrets', { query }));
  return new Set(items.map(({ path }) => path));
}

/** @throws UsageError for a map that is none */
async function mappingOf({ from = '', to = '', map }: EveryImport): Promise<Mapping> {
  const exact = new Map<string, string | null>();
  if (map !== undefined) {
    for (const [source, target] of Object.entries(await membersOf(map))) {
      if (target !== null && typeof target !== 'string') {
        throw new UsageError(`${map}: the target of ${source} is a path, or null to leave it out`);
      }
      exact.set(source, target);
    }
  }
  return { from: trimmed(from), to: trimmed(to), exact };
}

/** A list or a text would leave out and rename nothing, without a word. An empty file is an empty map. */
async function membersOf(map: string): Promise<Readonly<Record<string, unknown>>> {
  const { parse } = await import('yaml');
  const text = await readText(map);
  let value: unknown;
  try {
    value = parse(text) ?? {};
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && !Array.isArray(value)) return { ...value };
  throw new UsageError(`${map} is no map: it is YAML with lines like SOURCE: TARGET`);
}

function trimmed(path: string): string {
  return path.replace(/^\/+|\/+$/g, '');
}

function summary(label: string, plan: readonly PlannedImport[]): string {
  const count = (state: PlannedImport['state']): number =>
    plan.filter((each) => each.state === state).length;
  return `${label}: ${count('create')} to copy, ${count('exists')} there already, ${count('left out')} left out, ${count('unnameable')} that need a name in --map`;
}

function planText(plan: readonly PlannedImport[]): string {
  const rows = plan.map(({ source, target, state }) => [source, target, state]);
  return table(['source', 'target', 'plan'], rows);
}

function isWell({ outcome }: ImportResult): boolean {
  return outcome !== 'failed' && outcome !== 'unnameable';
}

/** What was not copied, and how many were. */
function resultText(results: readonly ImportResult[]): string {
  const created = results.filter(({ outcome }) => outcome === 'created').length;
  const rest = results.filter(({ outcome }) => outcome !== 'created');
  const rows = rest.map(({ source, target, outcome, code }) => [source, target, code ?? outcome]);
  const lines = rest.length === 0 ? [] : [table(['not copied', 'target', 'why'], rows), ''];
  return [...lines, `${created} copied`].join('\n');
}
