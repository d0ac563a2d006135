import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { PROGRAM, startDevBroker } from '../kit/broker/dev-broker.ts';
import { startBrowser } from '../kit/console/browser.ts';
import { ConsoleSuite } from '../kit/console/session.ts';
import { prepareViews } from '../kit/console/views.ts';

const PATH = '/audit/compliance';
const REPLAY = '**/console/call/api/v1/policies:replay';

interface Control {
  readonly id: string;
  readonly state: string;
  readonly checks: readonly { readonly check: string; readonly state: string }[];
}
interface Report {
  readonly checkpoint: string;
  readonly standards: readonly { readonly name: string; readonly controls: readonly Control[] }[];
}

/** States and checks of a report: its counts change with each entry of the log. */
function outlineOf({ standards }: Report): unknown {
  return standards.map(({ name, controls }) => [
    name,
    controls.map(({ id, state, checks }) => [
      id,
      state,
      checks.map(({ check, state: own }) => [check, own]),
    ]),
  ]);
}

describeWith(['headless'], 'the compliance report in the console', ({ headless }) => {
  let suite: ConsoleSuite;

  beforeAll(async () => {
    const [broker, browser] = await Promise.all([startDevBroker(), startBrowser(headless.program)]);
    suite = new ConsoleSuite(broker, browser);
    await prepareViews(broker);
  });

  afterEach(async () => {
    await Promise.all(suite.browser.contexts().map((context) => context.close()));
  });

  afterAll(async () => {
    await suite.browser.close();
    await suite.broker.close();
  });

  async function assess(page: Page): Promise<void> {
    await page.getByRole('button', { name: 'Assess the controls' }).click();
    // The report is about 50 requests, one after the other.
    await page.getByRole('button', { name: 'Assess again' }).waitFor({ timeout: 120_000 });
  }

  async function save(page: Page, form: string): Promise<string> {
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: `Save as ${form}` }).click();
    return readFile(await (await download).path(), 'utf8');
  }

  /** The report of the command line. */
  async function printed(...options: readonly string[]): Promise<string> {
    const [node, ...words] = PROGRAM;
    const { url, directory } = suite.broker;
    const given = ['--url', url, '--token-file', join(directory, '.quaymaster/operator.token')];
    const run = promisify(execFile)(node, [...words, 'audit', 'compliance', ...options, ...given]);
    // It exits with 1, because the demonstration fails some controls.
    const { stdout } = await run.catch((error: unknown) => error as { readonly stdout: string });
    return stdout;
  }

  it('makes the same report as the command line, in all its forms', async () => {
    // Both reports say whether the broker has checked the whole log.
    await until('the log is checked', async () => {
      const { log } = (await suite.api('GET', 'status')) as { readonly log: object };
      return 'checkedAt' in log;
    });
    const page = await suite.signIn(PATH);
    await assess(page);
    const report = JSON.parse(await save(page, 'JSON')) as Report;
    const json = JSON.parse(await printed('--output', 'json')) as Report;
    expect(outlineOf(report)).toEqual(outlineOf(json));
    expect(report.standards).toHaveLength(4);
    const heads = await Promise.all(
      [save(page, 'CSV'), printed('--as', 'csv')].map(async (text) => (await text).split('\n')[0]),
    );
    expect(heads[0]).toBe(heads[1]);
    const html = await save(page, 'HTML');
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).toContain('8.4.2');
  });

  it('has the standard and the period in its address, and in the command that does the same', async () => {
    const page = await suite.signIn('/audit');
    await page.getByRole('link', { name: 'Compliance report' }).click();
    await page.getByLabel('Standard').selectOption('soc-2');
    await page.getByLabel('Period').selectOption('365');
    expect(page.url()).toBe(suite.at(`${PATH}?standard=soc-2&days=365`));
    await page
      .getByText('quaymaster audit compliance --standard soc-2 --since 365d --as html')
      .waitFor();
    await assess(page);
    const table = page.getByRole('table', { name: 'SOC 2, Trust Services Criteria' });
    await table.getByRole('row', { name: /^CC7\.4 Incidents are answered/ }).waitFor();
    expect(await page.getByRole('table').count()).toBe(1);
    // A person who opened an entry comes back to the report.
    await table.getByRole('link', { name: /^\d+$/ }).first().click();
    await page.getByText('● Proven').waitFor();
    await page.goBack();
    await table.waitFor();
    await page.getByLabel('Standard').selectOption('pci-dss-4.0.1');
    await page.getByRole('button', { name: 'Assess the controls' }).waitFor();
    expect(await page.getByRole('table').count()).toBe(0);
  });

  it('verifies each entry of the report in the browser, and marks one that the log does not have', async () => {
    const page = await suite.signIn(`${PATH}?standard=soc-2`);
    await assess(page);
    const evidence = page.getByRole('region', { name: 'Evidence' });
    await evidence.getByText('○ Not verified').waitFor();
    await evidence.getByRole('button', { name: 'Verify in this browser' }).click();
    await evidence.getByText(/● (\d+) of \1 proven/).waitFor();
    expect(await page.getByText('not proven').count()).toBe(0);
    const link = page.getByRole('table').getByRole('link', { name: /^\d+$/ }).first();
    const index = (await link.textContent()) ?? '';
    const proof = await suite.api('GET', `audit/entries/${index}/proof`);
    await page.route(`**/entries/${index}/proof`, (route) =>
      route.fulfill({ json: { ...proof, entry: `${String(proof['entry'])} ` } }),
    );
    await evidence.getByRole('button', { name: 'Verify in this browser' }).click();
    await page.getByText('■ not proven').first().waitFor();
    await evidence.getByText(/■ \d+ of \d+ proven/).waitFor();
  });

  it('does not assess what the operator may not see, and says which role the report needs', async () => {
    const auditor = await suite.operatorWith('examiner', 'auditor');
    const page = await suite.signIn(`${PATH}?standard=soc-2`, auditor);
    await assess(page);
    const keys = page.getByRole('row', { name: /^CC6\.1/ });
    await keys.getByText('ERR_DENIED: ').first().waitFor();
    await page.getByRole('row', { name: /^CC8\.1/ }).waitFor();
    const rotator = await suite.operatorWith('turner', 'rotator', ['demo']);
    const other = await suite.signIn(`${PATH}?standard=soc-2`, rotator);
    await other.getByRole('button', { name: 'Assess the controls' }).click();
    await other.getByText('Not available to you').waitFor();
    await other
      .getByText(/role.*auditor/)
      .first()
      .waitFor();
    expect(await other.getByRole('table').count()).toBe(0);
  });

  it('ends when the person stops it or the broker fails, and begins again', async () => {
    const page = await suite.signIn(`${PATH}?standard=soc-2`);
    let isHeld = true;
    let release = (): void => undefined;
    await page.route(REPLAY, async (route) => {
      if (!isHeld) return route.fulfill({ status: 503, json: { title: 'The store is busy' } });
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return route.continue();
    });
    await page.getByRole('button', { name: 'Assess the controls' }).click();
    await page.getByText('Reading: checks used_grants').waitFor();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.getByRole('button', { name: 'Stop' }).click();
    release();
    await page.getByText('Reading:').waitFor({ state: 'detached' });
    expect(asked.filter((url) => /operator|keys|backups|checkpoint/.test(url))).toEqual([]);
    expect(await page.getByRole('alert').count()).toBe(0);
    isHeld = false;
    await page.getByRole('button', { name: 'Assess the controls' }).click();
    await page.getByRole('alert').getByText('The store is busy').waitFor();
    await page.unroute(REPLAY);
    await assess(page);
    await page.getByRole('row', { name: /^CC6\.3/ }).waitFor();
  });

  it('violates no policy of the page', () => {
    expect(suite.complaints).toEqual([]);
  });
});
