import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { ConsoleFiles } from '../../src/api/console/console-files.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { openPage, startBrowser, type ObservedPage } from '../kit/console/browser.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import { HandClock } from '../kit/time/hand-clock.ts';

const BUILT = new URL('../../dist/console/built/', import.meta.url);

describeWith(['headless'], 'a person in the console', ({ headless }) => {
  const clock = new HandClock(Date.now());
  let people: PeopleApi;
  let browser: Browser;
  /** The address at which browsers offer security keys. */
  let origin: string;
  const opened: ObservedPage[] = [];

  beforeAll(async () => {
    const files = ConsoleFiles.read(pathToFileURL(`${BUILT.pathname}/`));
    const console = { files, origin: undefined, scheme: 'http', code: undefined };
    const port = await freePort();
    origin = `http://localhost:${port}`;
    people = await PeopleApi.start(
      clock,
      { publicUrl: origin },
      { other: { secondFactor: 'webauthn' } },
      { console, listener: { port } },
    );
    await people.api.put('role-bindings/keys', {
      issuer: 'other',
      subjects: ['alice'],
      grants: [{ role: 'responder' }, { role: 'auditor' }],
    });
    people.corp.user = ALICE;
    await people.api.put('role-bindings/staff', {
      issuer: 'corp',
      claims: { groups: 'staff' },
      grants: [{ role: 'auditor' }],
    });
    await people.api.logIn({ pod: { name: 'api-1', uid: 'pod-uid-1' } });
    browser = await startBrowser(headless.program);
  });

  // The issuer goes by the system clock, and the broker accepts no token from the future.
  beforeEach(() => clock.advance(Math.max(0, Date.now() - clock.now())));

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

  it('confirms a dangerous operation with a security key, while the form keeps what was typed', async () => {
    people.other.user = ALICE;
    const observed = await openPage(browser, { ignoreHTTPSErrors: true });
    opened.push(observed);
    const { page } = observed;
    const devices = await page.context().newCDPSession(page);
    await devices.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2',
      transport: 'usb',
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    } as const;
    await devices.send('WebAuthn.addVirtualAuthenticator', { options });
    await page.goto(`${origin}/console/workloads/k8s/c1/prod/api`);
    await page.getByRole('button', { name: 'Sign in with other' }).click();
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
    expect(await registerKey(page)).toBe(200);
    // The registration proved the key for that session only.
    await page.locator('.account > button').click();
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await people.api.logIn({ pod: { name: 'api-2', uid: 'pod-uid-2' } });
    await page.getByRole('button', { name: 'Sign in with other' }).click();
    await page.getByRole('button', { name: 'End sessions' }).click();
    const dialog = page.getByRole('dialog', { name: 'End sessions' });
    await dialog.getByLabel('Reason').fill('INC-9: typed before the key');
    await dialog.getByRole('button', { name: 'End sessions' }).click();
    await dialog.getByText('This needs your security key.').waitFor();
    expect(await dialog.getByLabel('Reason').inputValue()).toBe('INC-9: typed before the key');
    await dialog.getByRole('button', { name: 'Use your security key' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByText('It is not logged in.').waitFor();
    const { body } = await people.api.call(
      'GET',
      '/api/v1/audit/entries?action=session.end&operator=oidc:other/alice',
      { token: people.api.admin },
    );
    expect(JSON.stringify(body)).toContain('INC-9: typed before the key');
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

/** Registers a key of the browser as the page of the command line does. @returns the status of the last answer */
function registerKey(page: Page): Promise<number> {
  return page.evaluate(`(async () => {
    const build = document.querySelector('meta[name="build"]').content;
    const send = (operation, body) => fetch('/console/call/api/v1/security-keys:' + operation, {
      method: 'POST',
      headers: { 'X-Quaymaster-Console': build, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const order = await (await send('begin', { purpose: 'register', label: 'laptop' })).json();
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON({
      rp: { id: order.rpId, name: 'Quaymaster' },
      user: { id: order.userId, name: order.person, displayName: order.person },
      challenge: order.challenge,
      pubKeyCredParams: order.algorithms.map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: { userVerification: 'required' },
    });
    const { id, response } = (await navigator.credentials.create({ publicKey })).toJSON();
    const { clientDataJSON, attestationObject } = response;
    return (await send('finish', { id, clientDataJSON, attestationObject })).status;
  })()`);
}
