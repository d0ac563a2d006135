import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manifestOf } from '../../../scripts/packages.ts';
import type { Browser, Page } from 'playwright-core';
import { installedProgram, isInstalled } from '../backends/cache.ts';
import { install } from '../backends/install.ts';
import { HEADLESS_SHELL } from '../backends/recipes.ts';
import { until } from '../backends/until.ts';
import { accessibilityFindings, COLOUR_RULES, openPage, startBrowser } from '../console/browser.ts';
import { diagramFindings, overflowFindings } from './findings.ts';

/**
 * `npm run site:look`: opens pages of the built site on a phone, a tablet and a screen, in both themes. It fails if a page is wider than its
 * window, if axe finds something, if a diagram cannot be read, or if a page asks another host. The pictures are in bench-out/site-shots.
 */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SITE = join(ROOT, 'dist/site');
const VERSION = manifestOf(ROOT).version;
/** The whole check takes no pictures: people look at those of a run of their own. */
const isRequired = process.env['BACKENDS'] === 'required';
const OUT = join(ROOT, 'bench-out/site-shots');
const WIDTHS = [360, 768, 1440] as const;
const THEMES = ['light', 'dark'] as const;
/** Rules of axe that the markup of VitePress' own theme breaks: the headings of its menu, its search button, and its first page. */
const OF_THE_THEME =
  /^(?:nested-interactive|label-content-name-mismatch|landmark-one-main|region):/;
/** Pages by what is special on them, with the number of their diagrams. */
const PAGES = {
  landing: ['index', 0],
  table: ['reference/configuration', 0],
  thinking: ['using/how-quaymaster-thinks', 1],
  deployment: ['using/install', 1],
  states: ['using/rotation', 1],
  log: ['using/audit', 1],
  operation: ['reference/api/secrets', 0],
} as const;
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
  json: 'application/json',
};

async function look(): Promise<readonly string[]> {
  const server = await serveSite();
  const { port } = server.address() as AddressInfo;
  const browser = await startBrowser(installedProgram(HEADLESS_SHELL));
  try {
    const base = `http://127.0.0.1:${port}/${VERSION}`;
    const findings: string[] = [];
    for (const theme of THEMES) findings.push(...(await inspectPages(browser, base, theme)));
    return findings;
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

/** A server of files on loopback, as the site is published. */
async function serveSite(): Promise<Server> {
  const server = createServer(({ url = '/' }, answer) => {
    const { pathname } = new URL(url, 'http://site');
    const name = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    const file = join(SITE, name);
    answer.writeHead(existsSync(file) ? 200 : 404, {
      'Content-Type': TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
    });
    if (existsSync(file)) createReadStream(file).pipe(answer);
    else answer.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** The findings on all pages in one theme. */
async function inspectPages(
  browser: Browser,
  base: string,
  theme: (typeof THEMES)[number],
): Promise<readonly string[]> {
  const { page, complaints } = await openPage(browser, { colorScheme: theme });
  page.on('request', (request) => {
    if (!request.url().startsWith(base)) complaints.push(`asks ${request.url()}`);
  });
  // Both themes have the same elements in other colours.
  const rules = theme === 'light' ? undefined : COLOUR_RULES;
  const findings: string[] = [];
  for (const [name, [path, diagrams]] of Object.entries(PAGES)) {
    await page.goto(`${base}/${path}.html`);
    await until('the diagrams are drawn', async () => (await drawn(page)) === diagrams);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
      await endTransitions(page);
      if (!isRequired) await takePictures(page, join(OUT, `${name}-${width}-${theme}`));
      const found = [
        ...(await overflowFindings(page)),
        ...(await diagramFindings(page)),
        ...(await accessibilityFindings(page, rules)).filter((text) => !OF_THE_THEME.test(text)),
        ...complaints.splice(0),
      ];
      findings.push(...found.map((text) => `${name}, ${width} px, ${theme}: ${text}`));
    }
  }
  await page.context().close();
  return findings;
}

/** Waits until the elements have the colours and places of this width: the theme moves them there. */
async function endTransitions(page: Page): Promise<void> {
  await page.evaluate(
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))',
  );
  await page.evaluate(
    'Promise.allSettled(document.getAnimations().map((each) => each.finished)).then(() => undefined)',
  );
}

/** The beginning of the page, its diagrams and its first table. */
async function takePictures(page: Page, path: string): Promise<void> {
  await page.evaluate('scrollTo(0, 0)');
  await page.screenshot({ path: `${path}.png` });
  const parts = [...(await page.locator('.diagram').all()), page.locator('.table-box').first()];
  for (const [index, part] of parts.entries()) {
    if ((await part.count()) > 0) await part.screenshot({ path: `${path}-${index}.png` });
  }
}

function drawn(page: Page): Promise<number> {
  return page.locator('.diagram svg').count();
}

if (isRequired) await install(['headless'], (line) => void process.stdout.write(`${line}\n`));
if (isInstalled(HEADLESS_SHELL)) {
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });
  const findings = await look();
  for (const finding of findings) process.stdout.write(`${finding}\n`);
  process.stdout.write(`${findings.length} findings${isRequired ? '' : `; pictures: ${OUT}`}\n`);
  if (findings.length > 0) process.exitCode = 1;
} else {
  process.stdout.write(
    'skipped: the headless shell of Chromium is not installed (npm run backends install headless)\n',
  );
}
