import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import { isName } from '../../domain/names.ts';

const path = z.string().regex(/^\/[^\0]*$/, 'must be an absolute path');
const port = z.int().min(1).max(65_535);

/** All that the provider can be told. docs/csi.md has a row for each; a test compares. */
export const settingsSchema = z.strictObject({
  /** Where the driver looks for a provider called `quaymaster`. */
  socket: path.default('/etc/kubernetes/secrets-store-csi-providers/quaymaster.sock'),
  broker: z.strictObject({ url: z.url(), caFile: path.optional() }),
  /** The registered cluster that this node is of. */
  cluster: z.string().refine(isName, 'is not the name of a cluster'),
  /** Of the pods' tokens: one that the driver's `tokenRequests` names. */
  audience: z.string().min(1).max(253).default('quaymaster'),
  health: z
    .strictObject({ host: z.string().min(1).default('0.0.0.0'), port: port.default(8202) })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
    .prefault({}),
});

export type Settings = z.output<typeof settingsSchema>;

/** @throws ERR_CONFIG_INVALID with every problem at once */
export async function loadSettings(file: string): Promise<Settings> {
  const checked = settingsSchema.safeParse(await documentOf(file));
  if (checked.success) return checked.data;
  const lines = checked.error.issues.map((issue) => {
    const place = issue.path.map((part) => `/${String(part)}`).join('') || '/';
    return `  ${place}: ${issue.message}`;
  });
  throw new BrokerError('ERR_CONFIG_INVALID', [`${file}:`, ...lines].join('\n'));
}

async function documentOf(file: string): Promise<unknown> {
  const { parse } = await import('yaml');
  try {
    return parse(await readFile(file, 'utf8'), { strict: true, uniqueKeys: true }) as unknown;
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `${file} cannot be read as YAML`, { cause });
  }
}
