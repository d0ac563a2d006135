import * as z from 'zod';
import { MOST_CHARACTERS, passwordProblems } from '../../crypto/generated-value.ts';

/** The option `password` of every rotator that generates one: refused here, when a definition is saved, if it is under 112 bits. */
export const passwordOptions = z
  .strictObject({
    length: z.int().min(1).max(MOST_CHARACTERS).optional(),
    alphabet: z.string().max(MOST_CHARACTERS).optional(),
    exclude: z.string().max(MOST_CHARACTERS).optional(),
    require: z
      .array(z.enum(['upper', 'lower', 'digit', 'symbol']))
      .max(4)
      .optional(),
  })
  .superRefine((spec, context) => {
    for (const { pointer, message } of passwordProblems(spec)) {
      context.addIssue({ code: 'custom', path: [pointer.slice(1)], message });
    }
  });
