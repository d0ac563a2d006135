import { expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { textOf, trackedFiles } from '../pages/tracked-files.ts';
import { bundleThreads } from './bundle-threads.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Code with which a module starts itself as a thread. */
const STARTS_ITSELF = /new Worker\(new URL\(import\.meta\.url\)|startTaskThread\(import\.meta\.url/;

it('bundles every module of the program that starts itself as a thread', async () => {
  const threads = trackedFiles().filter(
    (path) => path.startsWith('src/') && STARTS_ITSELF.test(textOf(path)),
  );
  const bundled = Object.keys(await bundleThreads()).map((url) => fileURLToPath(url));
  expect(bundled.sort()).toEqual(threads.map((path) => ROOT + path).sort());
});
