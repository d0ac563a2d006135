import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { ConsoleFiles } from '../../src/api/console-files.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { openPage, startBrowser, type ObservedPage } from '../kit/console/browser.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import { HandClock } from '../kit/time/hand-clock.ts';

const BUILT = new URL('../../dist/console/built/', import.meta.url);

describeWith(['chromium'], 'a person in the console', ({ chromium }) => {
  let people: PeopleApi;
  let browser: Browser;
  const opened: ObservedPage[] = [];

  beforeAll(async () => {
    const files = ConsoleFiles.read(pathToFileURL(`${BUILT.pathname}/`));
    const console = { files, origin: undefined, scheme: 'http', code: undefined };
    people = await PeopleApi.start(new HandClock(Date.now()), {}, {}, { console });
    people.corp.user = ALICE;
    await people.api.put('role-bindings/staff', {
      issuer: 'corp',
      claims: { groups: 'staff' },
      grants: [{ role: 'auditor' }],
    });
    await people.api.logIn({ pod: { name: 'api-1', uid: 'pod-uid-1' } });
    browser = await startBrowser(chromium.program);
  });

  afterAll(async () => {
    await browser.close();
    await people.stop();
  });

  async function signIn(path: string): Promise<Page> {
    const observed = await openPage(browser, { ignoreHTTPSErrors: true });
    opened.push(observed);
    const { page } = observed;
    await page.goto(`${people.api.url}/console${path}`);
    await page.getByRole('button', { name: 'Sign in with corp' }).click();
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
    return page;
  }

  it('signs in at the issuer, and returns to the same view without a token in its address or history', async () => {
    const page = await signIn('/incidents?state=pending');
    expect(page.url()).toBe(`${people.api.url}/console/incidents?state=pending`);
    await page.getByText('oidc:corp/alice').waitFor();
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await page.evaluate('localStorage.length + sessionStorage.length')).toBe(0);
    await page.goBack();
    expect(page.url()).not.toMatch(/code=|state=[^p]|token/);
  });

  it('lists the person among the people, and finds it with the keyboard', async () => {
    const page = await signIn('/access');
    const row = page.getByRole('table', { name: 'People' }).getByRole('row', { name: /alice/ });
    await row.getByText('oidc:corp/alice').waitFor();
    expect(await row.getByRole('cell').nth(1).textContent()).toMatch(/^[1-9]\d*$/);
    await page.keyboard.press('Control+k');
    await page.locator('dialog input:focus').waitFor();
    await page.keyboard.type('alice');
    await page.getByRole('option', { name: 'oidc:corp/alice person' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Audit log' }).waitFor();
    expect(page.url()).toBe(`${people.api.url}/console/audit?operator=oidc%3Acorp%2Falice`);
    const entries = page.getByRole('table', { name: 'Entries' });
    await entries.getByText('oidc:corp/alice').first().waitFor();
    await row.waitFor({ state: 'detached' });
  });

  it('confirms a dangerous operation at the issuer in another tab, while the form keeps what was typed', async () => {
    // This login is too old for dangerous operations.
    people.corp.user = { ...ALICE, authTime: Math.floor(Date.now() / 1000) - 1_000 };
    const page = await signIn('/workloads/k8s/c1/prod/api');
    people.corp.user = ALICE;
    await page.getByRole('button', { name: 'End sessions' }).click();
    const dialog = page.getByRole('dialog', { name: 'End sessions' });
    await dialog.getByLabel('Reason').fill('INC-8: typed before');
    await dialog.getByRole('button', { name: 'End sessions' }).click();
    await dialog.getByRole('button', { name: 'Log in again' }).click();
    const tab = page.context().waitForEvent('page');
    await dialog.getByRole('link', { name: 'Continue at corp' }).click();
    await (await tab).getByRole('heading', { name: 'Confirmed' }).waitFor();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByText('It is not logged in.').waitFor();
    const { body } = await people.api.call(
      'GET',
      '/api/v1/audit/entries?action=session.end&operator=oidc:corp/alice',
      { token: people.api.admin },
    );
    expect(JSON.stringify(body)).toContain('INC-8: typed before');
  });

  it('learns what the issuer said, and what is missing, while no role binding matches', async () => {
    const observed = await openPage(browser, { ignoreHTTPSErrors: true });
    opened.push(observed);
    const { page } = observed;
    people.corp.user = { ...ALICE, claims: { groups: ['visitors'] } };
    await page.goto(`${people.api.url}/console/`);
    await page.getByRole('button', { name: 'Sign in with corp' }).click();
    await page
      .getByText(/sub: alice; .*groups: visitors.*No role binding gives you a role/)
      .waitFor();
    expect(page.url()).toBe(`${people.api.url}/console/`);
    await page.reload();
    await page.getByRole('button', { name: 'Sign in with corp' }).waitFor();
    expect(await page.getByText('No role binding').count()).toBe(0);
  });

  it('violated its policy nowhere, and logged no error', () => {
    expect(opened.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});
