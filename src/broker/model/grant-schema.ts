import * as z from 'zod';
import { isSecretPath } from '../../domain/words/names.ts';
import { isRepositoryPrefix } from '../../domain/posture/image-reference.ts';
import { ROLES, type Grant, type Role } from '../../domain/identity/principal.ts';
import { PATH_FORM, text } from './fields.ts';

const REPOSITORY_FORM =
  'must be a repository of images or its beginning, such as registry.example/prod: host in lower case, no tag, no digest, no "*"';

export const grant: z.ZodType<Grant> = z
  .strictObject({
    role: z.enum(ROLES).meta({ id: 'Role' }),
    scope: z
      .array(text)
      .max(64)
      .default([])
      .describe(
        'Path prefixes, or of `evidence-writer` prefixes of image repositories; without any, everything.',
      ),
  })
  .superRefine(checkScope)
  .meta({ id: 'Grant' });

/** Checks the prefixes of a scope, whose meaning depends on the role. */
export function checkScope({ role, scope }: Grant, context: z.RefinementCtx): void {
  if (role === 'admin' && scope.length > 0) {
    const message = 'admin has no scope: it holds everywhere or not at all';
    context.addIssue({ code: 'custom', path: ['scope'], message });
    return;
  }
  for (const [at, prefix] of scope.entries()) {
    const message = scopeProblem(role, prefix);
    if (message !== undefined) {
      context.addIssue({ code: 'custom', path: ['scope', at], message });
    }
  }
}

function scopeProblem(role: Role, prefix: string): string | undefined {
  if (role === 'evidence-writer') return isRepositoryPrefix(prefix) ? undefined : REPOSITORY_FORM;
  return isSecretPath(prefix) ? undefined : PATH_FORM;
}
