import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import { isName } from '../../domain/words/names.ts';
import { settingWords } from '../../domain/words/schema-words.ts';
import { readOneYaml, yamlProblemText } from '../../domain/text/strict-yaml.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';

const path = z.string().regex(/^\/[^\0]*$/, 'must be an absolute path');
const port = z.int().min(1).max(65_535);

/** All settings of the provider. docs/csi.md has a row for each; a test compares them. */
export const settingsSchema = z.strictObject({
  /** The driver finds the provider `quaymaster` by this file name. */
  socket: path.default('/etc/kubernetes/secrets-store-csi-providers/quaymaster.sock'),
  broker: z.strictObject({ url: z.url(), caFile: path.optional() }),
  /** The registered cluster that this node belongs to. */
  cluster: z.string().refine(isName, 'must be the name of a registered cluster'),
  /** Audience of the pods' tokens; the driver's `tokenRequests` must name it. */
  audience: z.string().min(1).max(253).default('quaymaster'),
  health: z
    .strictObject({ host: z.string().min(1).default('0.0.0.0'), port: port.default(8202) })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
    .prefault({}),
});

export type Settings = z.output<typeof settingsSchema>;

/** @throws ERR_CONFIG_INVALID with every problem */
export async function loadSettings(file: string): Promise<Settings> {
  const checked = settingsSchema.safeParse(await readDocument(file), { error: settingWords });
  if (checked.success) return checked.data;
  const lines = checked.error.issues.map((issue) => {
    const place = pointerTo(issue.path) || '/';
    return `  ${place}: ${issue.message}`;
  });
  throw new BrokerError('ERR_CONFIG_INVALID', [`${file}:`, ...lines].join('\n'));
}

async function readDocument(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `${file} cannot be read`, { cause });
  }
  const read = await readOneYaml(text, { allowAliases: true });
  if (!('problems' in read)) return read.value;
  const lines = read.problems.map((problem) => `  ${yamlProblemText(problem)}`);
  throw new BrokerError('ERR_CONFIG_INVALID', [`${file}:`, ...lines].join('\n'));
}
