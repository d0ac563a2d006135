import * as z from 'zod';
import type { CallContext } from '../../../ports/call-context.ts';
import type { CheckReport } from '../../../ports/secret-provider.ts';
import type { VaultClient } from '../client/client.ts';
import type { VaultMountOptions } from '../config.ts';
import { Findings, isCode } from './findings.ts';
import { listingRoot, Locators } from '../locators.ts';

/** A name that need not exist: the check only needs to know whether a read answers "absent" or "not allowed". */
const PROBE = 'quaymaster-check';

const mountSchema = z.object({
  data: z.object({
    type: z.string().regex(/^[\w-]{1,64}$/),
    options: z.object({ version: z.string().optional() }).nullish(),
  }),
});

type KvOptions = Exclude<VaultMountOptions, { engine: 'dynamic' }>;

/** Checks that the engine matches the options, and may be read and listed at the root. */
export async function checkKvMount(
  client: VaultClient,
  options: KvOptions,
  context: CallContext,
): Promise<CheckReport> {
  const findings = new Findings();
  await checkEngine(client, options, context, findings);
  const readable = `${new Locators(options).covers}${PROBE}`;
  const listable = `${listingRoot(options)}/`;
  await probe(
    'read',
    () => client.read({ method: 'GET', path: readable }, context),
    readable,
    findings,
  );
  await probe(
    'list',
    () => client.read({ method: 'GET', path: `${listable}?list=true` }, context),
    listable,
    findings,
  );
  return findings.report();
}

async function checkEngine(
  client: VaultClient,
  options: KvOptions,
  context: CallContext,
  findings: Findings,
): Promise<void> {
  const tried = `GET sys/internal/ui/mounts/${options.path}`;
  try {
    const path = `sys/internal/ui/mounts/${options.path}`;
    const mount = mountSchema.safeParse(await client.read({ method: 'GET', path }, context));
    if (!mount.success) {
      findings.problem(`${tried}: the answer cannot be read`);
      return;
    }
    const { type, options: found } = mount.data.data;
    const isKv = type === 'kv' || type === 'generic';
    const engine = isKv ? `kv-v${found?.version === '2' ? '2' : '1'}` : type;
    if (engine === options.engine) findings.note(`${tried}: ${engine}`);
    else
      findings.problem(
        `${tried}: it is ${engine}; the mount says ${options.engine}, correct \`engine\` or \`path\``,
      );
  } catch (error) {
    findings.failure(
      tried,
      error,
      `mount the engine, or grant the broker read below ${options.path}/`,
    );
  }
}

async function probe(
  capability: 'read' | 'list',
  call: () => Promise<unknown>,
  path: string,
  findings: Findings,
): Promise<void> {
  const tried = `${capability} ${path}`;
  try {
    await call();
    findings.note(`${tried}: allowed`);
  } catch (error) {
    if (isCode(error, 'ERR_NOT_FOUND')) findings.note(`${tried}: allowed, nothing there`);
    else if (isCode(error, 'ERR_PROVIDER_DENIED')) {
      findings.failure(
        tried,
        error,
        `grant the broker \`${capability}\` on ${path.replace(PROBE, '*')}`,
      );
    } else findings.failure(tried, error, 'see the check of the connection');
  }
}
