import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { installedProgram } from '../test/kit/backends/cache.ts';
import { CHROMIUM } from '../test/kit/backends/recipes.ts';
import { until } from '../test/kit/backends/until.ts';
import { startDevBroker } from '../test/kit/broker/dev-broker.ts';
import { startBrowser } from '../test/kit/console/browser.ts';
import { ConsoleSuite } from '../test/kit/console/session.ts';
import type { ConsoleName, Figure } from './figures.ts';
import { residentMegabytes } from './machine.ts';
import { resultAlone, type Result } from './result.ts';
import { startBroker } from './servers/broker.ts';
import type { Stage } from './stage.ts';

export interface ConsoleOptions {
  readonly settleSeconds: number;
  /** Rows of the long list, in thousands. */
  readonly leasePages: number;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILT = join(ROOT, 'dist/console/built');
const VIEWS = 5;
const SCROLL_MS = 3_000;

type Values = Readonly<Record<ConsoleName, readonly number[]>>;

/** Measures the page of the console: its sizes, its first view, a long list, and what the broker needs for it. */
export async function consoleResults(
  stage: Stage,
  figures: readonly Figure<ConsoleName>[],
  options: ConsoleOptions,
): Promise<readonly Result[]> {
  const inBrowser = await browse(options);
  const values: Values = {
    ...sizes(),
    ...inBrowser,
    'console-memory': [await memory(stage, options)],
  };
  return figures.map((figure) => resultAlone(figure, UNITS[figure.name], values[figure.name]));
}

const UNITS: Readonly<Record<ConsoleName, string>> = {
  'console-scripts': 'kB',
  'console-style': 'kB',
  'console-lines': 'lines',
  'console-first-view': 'ms',
  'console-scroll': 'frames/s',
  'console-heap': 'MB',
  'console-memory': 'MB resident',
};

/** Compressed kilobytes of what the first view loads, and lines of the source. */
function sizes(): Pick<Values, 'console-scripts' | 'console-style' | 'console-lines'> {
  const page = readFileSync(join(BUILT, 'index.html'), 'utf8');
  const scripts = new Set<string>();
  const add = (name: string): void => {
    if (scripts.has(name)) return;
    scripts.add(name);
    const text = readFileSync(join(BUILT, 'assets', name), 'utf8');
    for (const [, imported = ''] of text.matchAll(/(?:from|import)"\/console\/assets\/([\w.-]+)"/g))
      add(imported);
  };
  add(/assets\/(main-[\w-]+\.js)/.exec(page)?.[1] ?? '');
  const style = /assets\/(style-[\w-]+\.css)/.exec(page)?.[1] ?? '';
  const kilobytes = (name: string): number =>
    statSync(join(BUILT, 'assets', `${name}.gz`)).size / 1000;
  const sources = readdirSync(join(ROOT, 'console/src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => `src/${name}`);
  const lines = [...sources, 'style.css', 'index.html'].map(
    (name) => readFileSync(join(ROOT, 'console', name), 'utf8').split('\n').length - 1,
  );
  return {
    'console-scripts': [[...scripts].reduce((sum, name) => sum + kilobytes(name), 0)],
    'console-style': [kilobytes(style)],
    'console-lines': [lines.reduce((sum, count) => sum + count, 0)],
  };
}

/** Notes when the first view is complete: it has its title, and nothing in it loads. */
const NOTE_FIRST_VIEW = `
  new MutationObserver(() => {
    const isShown = document.querySelector('main h1') !== null;
    if (isShown && document.querySelector('.loading') === null) globalThis.shownAt ??= performance.now();
    else delete globalThis.shownAt;
  }).observe(document, { childList: true, subtree: true });
`;

async function browse({
  leasePages,
}: ConsoleOptions): Promise<
  Pick<Values, 'console-first-view' | 'console-scroll' | 'console-heap'>
> {
  const [broker, browser] = await Promise.all([
    startDevBroker(),
    startBrowser(installedProgram(CHROMIUM)),
  ]);
  try {
    const suite = new ConsoleSuite(broker, browser);
    const page = await suite.signIn('/');
    const times: number[] = [];
    await page.addInitScript(NOTE_FIRST_VIEW);
    for (let n = 0; n < VIEWS; n += 1) {
      await page.goto(suite.at('/'));
      await page.getByRole('region', { name: 'Broker' }).waitFor();
      times.push(await page.evaluate<number>('globalThis.shownAt'));
    }
    const { frames, heap } = await scroll(page, suite.at('/leases'), leasePages);
    return { 'console-first-view': times, 'console-scroll': [frames], 'console-heap': [heap] };
  } finally {
    await browser.close();
    await broker.close();
  }
}

/** Scrolls through leases that the page gets from here, so that only the page is measured. */
async function scroll(
  page: Page,
  address: string,
  pages: number,
): Promise<{ readonly frames: number; readonly heap: number }> {
  await page.route('**/console/call/api/v1/leases?**', (route) => {
    const after = Number(new URL(route.request().url()).searchParams.get('after') ?? '0');
    const items = Array.from({ length: 1_000 }, (_, index) => ({
      id: `lea_${after * 1_000 + index}`,
      path: `demo/shop/db${after * 1_000 + index}`,
      workload: 'k8s://dev/shop/web',
      version: '1',
      kind: 'static',
      state: 'live',
      issuedAt: '2026-01-01T00:00:00.000Z',
      endsAt: '2026-01-01T00:15:00.000Z',
      maxEndsAt: '2026-01-01T00:15:00.000Z',
    }));
    const next = after + 1 < pages ? { next: String(after + 1) } : {};
    return route.fulfill({ json: { items, ...next } });
  });
  await page.goto(address);
  await page.getByRole('table', { name: 'Leases' }).waitFor();
  const rows = String(pages * 1_000 + 1);
  await until('all pages are loaded', async () => {
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    return (await page.locator('table').getAttribute('aria-rowcount')) === rows;
  });
  const frames = await page.evaluate<number>(`new Promise((resolve) => {
    scrollTo(0, 0);
    const begun = performance.now();
    let drawn = 0;
    const draw = () => {
      drawn += 1;
      scrollBy(0, 400);
      const passed = performance.now() - begun;
      if (passed < ${SCROLL_MS}) requestAnimationFrame(draw);
      else resolve(drawn / (passed / 1000));
    };
    requestAnimationFrame(draw);
  })`);
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  return { frames, heap: usedSize / 1_000_000 };
}

/** The resident memory of an idle broker with the console, without that of one without it. */
async function memory(stage: Stage, { settleSeconds }: ConsoleOptions): Promise<number> {
  const of = async (name: string, hasConsole: boolean): Promise<number> => {
    const directory = `${stage.directory}/${name}`;
    const broker = await startBroker({ directory, connections: {}, hasConsole });
    await pause(settleSeconds * 1000);
    const megabytes = residentMegabytes(broker.pid);
    await broker.stop();
    return megabytes;
  };
  const without = await of('without-console', false);
  return (await of('with-console', true)) - without;
}
