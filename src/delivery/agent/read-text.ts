import { readFile } from 'node:fs';
import { promisify } from 'node:util';

const read = promisify(readFile);

/** A file as text. Not by `node:fs/promises`: that loads readline and the history of a console, 4 ms of the start. */
export function readText(path: string): Promise<string> {
  return read(path, 'utf8');
}
