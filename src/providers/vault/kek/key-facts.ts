import { z } from 'zod';

/** Types that authenticate associated data. */
const SEALING_TYPES = new Set([
  'aes128-gcm96',
  'aes256-gcm96',
  'chacha20-poly1305',
  'xchacha20-poly1305',
]);

const answerSchema = z.object({
  data: z.object({
    type: z.string(),
    derived: z.boolean(),
    exportable: z.boolean(),
    allow_plaintext_backup: z.boolean(),
    deletion_allowed: z.boolean(),
  }),
});

/** Why a transit key is not fit to wrap root keys, each with its remedy; empty when it is. */
export function keyProblems(answer: unknown): readonly string[] {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) return ['its properties cannot be read'];
  const key = parsed.data.data;
  const rules: readonly [boolean, string][] = [
    [
      SEALING_TYPES.has(key.type),
      'its type does not authenticate associated data: create it as aes256-gcm96',
    ],
    [!key.derived, 'it is derived: create it with derived=false'],
    [!key.exportable, 'it can be exported: create it with exportable=false'],
    [
      !key.allow_plaintext_backup,
      'it can be backed up in the clear: create it with allow_plaintext_backup=false',
    ],
    [!key.deletion_allowed, 'it can be deleted: set deletion_allowed=false'],
  ];
  return rules.filter(([holds]) => !holds).map(([, problem]) => problem);
}
