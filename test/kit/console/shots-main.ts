import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { installedProgram } from '../backends/cache.ts';
import { until } from '../backends/until.ts';
import { CHROMIUM } from '../backends/recipes.ts';
import { startDevBroker } from '../broker/dev-broker.ts';
import { openPage, startBrowser } from './browser.ts';
import { consoleViews, prepareViews, type View } from './views.ts';

const OUT = 'bench-out/console-shots';
/** Pictures that pages of the documentation show, by name. With `--docs` they are replaced. */
const PICTURES = {
  secret: 'secret-1280-light',
  incident: 'incident-1280-light',
  entry: 'entry-1280-light',
  'policy-edit': 'policy-edit-1280-light',
  approval: 'approval-360-light',
};
const WIDTHS = [360, 1280, 2560] as const;
const THEMES = ['light', 'dark'] as const;

/** Pictures of all views of the demonstration, at three widths in both themes. */
async function takeShots(): Promise<void> {
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });
  const broker = await startDevBroker();
  const browser = await startBrowser(installedProgram(CHROMIUM));
  try {
    const prepared = await prepareViews(broker);
    const views = [{ name: 'login', path: '' }, ...consoleViews(prepared)];
    for (const theme of THEMES)
      for (const width of WIDTHS) await shoot(browser, broker, { theme, width, views });
  } finally {
    await browser.close();
    await broker.close();
  }
}

interface Shots {
  readonly theme: (typeof THEMES)[number];
  readonly width: number;
  readonly views: readonly View[];
}

async function shoot(
  browser: Browser,
  broker: Awaited<ReturnType<typeof startDevBroker>>,
  { theme, width, views }: Shots,
): Promise<void> {
  const viewport = { width, height: width === 360 ? 740 : 900 };
  const { page } = await openPage(browser, { viewport, colorScheme: theme });
  const take = (name: string): Promise<unknown> =>
    page.screenshot({ path: join(OUT, `${name}-${width}-${theme}.png`), fullPage: true });
  for (const { name, path, open } of views) {
    await page.goto(`${broker.url}/console${path === '' ? '/' : path}`);
    if (name === 'login') {
      await page.getByLabel('Operator token').waitFor();
      await take(name);
      await page.getByLabel('Operator token').fill(broker.token);
      await page.getByRole('button', { name: 'Sign in with a token' }).click();
      await page.getByRole('heading', { name: 'Home' }).waitFor();
      continue;
    }
    await page.locator('h1').waitFor();
    // The stream of changes stays open, so the network is never idle.
    await until('the view is loaded', async () => (await page.locator('.loading').count()) === 0);
    await open?.(page);
    await take(name);
  }
  await page.context().close();
}

await takeShots();
if (process.argv.includes('--docs'))
  for (const [name, shot] of Object.entries(PICTURES))
    await copyFile(join(OUT, `${shot}.png`), join('docs/console', `${name}.png`));
