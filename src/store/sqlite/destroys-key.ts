import type { Plan, Write } from '../../ports/store.ts';

/** Reports whether a plan removes data keys from the store. Without its wrapped data key a value can never be decrypted again. */
export function destroysKey({ writes = [] }: Plan): boolean {
  return writes.some(isDestruction);
}

function isDestruction(write: Write): boolean {
  if (write.table !== 'secret_versions') return false;
  return 'remove' in write || ('change' in write && write.change.wrapped_dek === null);
}
