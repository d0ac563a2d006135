import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeChunks } from '../../../scripts/chunks.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Directory beside the program in `dist`, whose data files it uses. */
const DIRECTORY = join(ROOT, 'dist/failpoints');

rmSync(DIRECTORY, { recursive: true, force: true });
await writeChunks(
  { failpoints: join(ROOT, 'test/kit/broker/failpoint-main.ts') },
  join(DIRECTORY, 'chunks'),
);
symlinkSync('../program/prebuilds', join(DIRECTORY, 'prebuilds'));
