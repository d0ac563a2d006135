import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import type { Result } from 'axe-core';

/** A page whose violations of its policy, errors and failed scripts are collected. */
export interface ObservedPage {
  readonly page: Page;
  /** Everything that the browser complained about. */
  readonly complaints: string[];
}

/** Starts a Chromium of the system. Its sandbox needs a user that is not root. With `keepsPages` the whole browser may keep whole pages for the back button, as browsers of people do. */
export function startBrowser(
  executablePath: string,
  more: readonly string[] = [],
  { keepsPages = false } = {},
): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-dev-shm-usage', ...more];
  const ignoreDefaultArgs = keepsPages ? ['--disable-back-forward-cache'] : [];
  return chromium.launch({ executablePath, args, ignoreDefaultArgs });
}

/** Opens a page in a browser profile of its own. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<ObservedPage> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  return observe(page);
}

/** Limit of each wait, for a machine that runs many suites at once. */
const WAIT_MS = 120_000;

/** Collects the complaints of a page, which may be another tab of the same profile. */
export async function observe(page: Page): Promise<ObservedPage> {
  const complaints: string[] = [];
  page.setDefaultTimeout(WAIT_MS);
  await page.exposeFunction('complain', (text: string) => complaints.push(text));
  // As text, because this program has no types of browsers.
  await page.addInitScript(`
    addEventListener('securitypolicyviolation', (violation) => {
      complain([violation.violatedDirective, violation.blockedURI, violation.sample].join(' '));
    });
  `);
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    // A refused request is an answer that the page shows. A busy broker may refuse a style sheet or script, too.
    const isRefusal = /^Failed to load resource|MIME type \('application\/problem\+json'\)/.test(
      message.text(),
    );
    if (message.type() === 'error' && !isRefusal) complaints.push(message.text());
  });
  return { page, complaints };
}

/** The program of axe that a page evaluates: half as long as the one that Node imports. */
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** The rules of axe that depend on colours. */
export const COLOUR_RULES = ['color-contrast', 'link-in-text-block'];

/** The findings of axe on the page as it is, by rule and element: those of some tags, or of some rules. */
export async function accessibilityFindings(
  page: Page,
  runOnly: readonly string[] = TAGS,
): Promise<readonly string[]> {
  // It stays in a page until the next load.
  if (!(await page.evaluate<boolean>(`'axe' in globalThis`))) await page.evaluate(AXE);
  const violations = await page.evaluate<readonly Result[]>(`axe.run(document, {
    runOnly: ${JSON.stringify(runOnly)},
    resultTypes: ['violations'],
  }).then(({ violations }) => violations)`);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary ?? ''}`),
  );
}
