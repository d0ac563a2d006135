import { join } from 'node:path';
import { freezeStore } from './frozen-store.ts';

const [version] = process.argv.slice(2);
if (version === undefined) throw new Error('name the release: npm run freeze-store VERSION');
const folder = join(import.meta.dirname, '../../vectors/stores', version);
await freezeStore(folder);
process.stdout.write(`wrote the store of ${version} to ${folder}; it never changes from now on\n`);
