import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Lists every form in which a secret could leak: plain, encoded, escaped. */
function disguises(secret: string): readonly Buffer[] {
  const bytes = Buffer.from(secret);
  const escaped = JSON.stringify(secret).slice(1, -1);
  const texts = [
    secret,
    escaped,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
  ];
  return [...new Set(texts)].map((text) => Buffer.from(text));
}

/** The names of the outputs that contain a secret. */
export function findCanary(
  secret: string,
  outputs: Readonly<Record<string, string | Buffer>>,
): readonly string[] {
  const forms = disguises(secret);
  return Object.entries(outputs)
    .filter(([, output]) => {
      const bytes = typeof output === 'string' ? Buffer.from(output) : output;
      return forms.some((form) => bytes.includes(form));
    })
    .map(([name]) => name);
}

/** Reads all files below a directory, by path. */
export async function filesBelow(directory: string): Promise<Readonly<Record<string, Buffer>>> {
  const files: Record<string, Buffer> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) continue;
    // A checkpoint is written under another name and renamed. If this name is gone, its bytes are under the other.
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes !== undefined) files[path] = bytes;
  }
  return files;
}
