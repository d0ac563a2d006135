import type { Outputs } from '../files/outputs.ts';
import { nameOf, type Settings } from './settings.ts';

/** What the settings say of files, each secret with the name by which templates call it. */
export function outputsOf({ directory, secrets, templates }: Settings): Outputs {
  const named = secrets.map((secret) => ({ ...secret, name: nameOf(secret) }));
  return { directory, secrets: named, templates };
}
