import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { startDevBroker, type DevBroker } from '../kit/broker/dev-broker.ts';
import {
  accessibilityFindings,
  observe,
  openPage,
  startBrowser,
  type ObservedPage,
} from '../kit/console/browser.ts';
import { consoleViews, prepareViews, type Prepared } from '../kit/console/views.ts';

/** Views whose layout differs most on a narrow screen. */
const ON_PHONES = ['home', 'secret', 'incident', 'approval'];

describeWith(['headless'], 'the console in a browser', ({ headless }) => {
  let broker: DevBroker;
  let browser: Browser;
  let prepared: Prepared;
  /** Every page of the suite: none may violate its policy. */
  const opened: ObservedPage[] = [];

  beforeAll(async () => {
    browser = await startBrowser(headless.program);
    broker = await startDevBroker();
  });

  // Each page has a stream of changes, and an operator may have 8.
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
  });

  afterAll(async () => {
    await browser.close();
    await broker.close();
  });

  async function open(options = {}): Promise<Page> {
    const observed = await openPage(browser, options);
    opened.push(observed);
    return observed.page;
  }

  async function signIn(page: Page, token = broker.token, path = '/'): Promise<void> {
    await page.goto(`${broker.url}/console${path}`);
    await page.getByLabel('Operator token').fill(token);
    await page.getByRole('button', { name: 'Sign in with a token' }).click();
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
  }

  /** Waits until no part of the view is loading. */
  async function settled(page: Page): Promise<void> {
    await until('the view is loaded', async () => (await page.locator('.loading').count()) === 0);
  }

  /** Calls the API as the operator of the demonstration. */
  async function api(
    method: string,
    path: string,
    body?: object,
  ): Promise<Record<string, unknown>> {
    const answer = await fetch(`${broker.url}/api/v1/${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${broker.token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json', 'If-None-Match': '*' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    const text = await answer.text();
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  /** A token of a new operator with one role below one prefix. */
  async function operatorWith(
    name: string,
    role: string,
    scope: readonly string[],
  ): Promise<string> {
    await api('PUT', `operators/${name}`, { grants: [{ role, scope }] });
    const created = await api('POST', `operators/${name}/tokens`, { ttl: '10m' });
    return created['token'] as string;
  }

  // The first test, because the link works for a minute.
  it('opens by the link of development mode once, and keeps neither code nor token in the browser (CO11)', async () => {
    const page = await open();
    await page.goto(broker.consoleLink);
    await page.getByRole('heading', { name: 'Home' }).waitFor();
    expect(page.url()).toBe(`${broker.url}/console/`);
    const kept = await page.evaluate(`Promise.all([
      localStorage.length,
      sessionStorage.length,
      document.cookie,
      indexedDB.databases().then((all) => all.length),
      navigator.serviceWorker.getRegistrations().then((all) => all.length),
      caches.keys().then((all) => all.length),
    ])`);
    expect(kept).toEqual([0, 0, '', 0, 0, 0]);
    await page.context().clearCookies();
    await page.goto('about:blank');
    await page.goto(broker.consoleLink);
    await page.getByText('The link worked once').waitFor();
    expect(page.url()).toBe(`${broker.url}/console/`);
    prepared = await prepareViews(broker);
  });

  it('shows each view on a desk and on a phone, without a finding of axe and without sideways scrolling', async () => {
    for (const options of [
      { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
      { viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
    ] as const) {
      const isDesk = options.colorScheme === 'light';
      const page = await open(options);
      await page.goto(`${broker.url}/console/`);
      await page.getByLabel('Operator token').waitFor();
      expect(await accessibilityFindings(page)).toEqual([]);
      await signIn(page);
      for (const { name, path, open: more } of consoleViews(prepared)) {
        await page.goto(`${broker.url}/console${path}`);
        await page.locator('h1').waitFor();
        await settled(page);
        await more?.(page);
        if (isDesk || ON_PHONES.includes(name))
          expect([name, await accessibilityFindings(page)]).toEqual([name, []]);
        const wide = await page.evaluate<number>(
          'document.documentElement.scrollWidth - innerWidth',
        );
        expect([name, Math.max(0, wide)]).toEqual([name, 0]);
      }
    }
  }, 900_000);

  it('finds a secret and opens it with the keyboard alone', async () => {
    const page = await open();
    await signIn(page);
    await page.keyboard.press('Control+k');
    // A busy browser gives the focus to the field after the keys were sent.
    await page.locator('dialog input:focus').waitFor();
    await page.keyboard.type('payments');
    await page.getByRole('option', { name: 'demo/payments/db' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Path' }).getByText('payments').waitFor();
    expect(page.url()).toBe(`${broker.url}/console/secrets/demo/payments/db`);
    await page.goBack();
    await page.getByRole('heading', { name: 'Home' }).waitFor();
  });

  it('counts leases before it revokes them', async () => {
    const page = await open();
    await signIn(page, broker.token, '/leases');
    await page.getByRole('table', { name: 'Leases' }).waitFor();
    await page.getByLabel('Path').fill('demo/shop/api');
    await page.getByRole('button', { name: 'Revoke all' }).click();
    const dialog = page.getByRole('dialog', { name: 'Revoke all' });
    await dialog.getByText(/\d+ leases? of 1 workload end now/).waitFor();
    await dialog.getByRole('button', { name: 'Revoke all' }).click();
    await page.getByText('No live lease matches.').waitFor();
    expect(page.url()).toBe(`${broker.url}/console/leases?path=demo%2Fshop%2Fapi`);
  });

  it('shows a value on request only, and hides it when the page loses the focus (CO10)', async () => {
    const value = 'correct-horse-battery-staple';
    const token = await operatorWith('value-reader', 'secret-reader', ['demo/shop']);
    const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await signIn(page, token, '/secrets/demo/shop/db');
    const values = page.getByRole('region', { name: 'Values' });
    await values.getByRole('button', { name: 'Read the names of the keys' }).click();
    expect(await values.getByRole('button', { name: 'Show password' }).count()).toBe(0);
    await values.getByLabel('Reason').fill('INC-7');
    await values.getByRole('button', { name: 'Read the names of the keys' }).click();
    const copy = page.getByRole('button', { name: 'Copy password' });
    await copy.click();
    await page.getByText('Copied').waitFor();
    // The policy of the console forbids its own page to read the clipboard.
    const pasting = await page.context().newPage();
    await pasting.goto(`${broker.url}/healthz`);
    expect(await pasting.evaluate('navigator.clipboard.readText()')).toBe(value);
    await pasting.close();
    await page.bringToFront();
    expect(await page.content()).not.toContain(value);
    await page.getByRole('button', { name: 'Show password' }).click();
    await page.getByText(value).waitFor();
    await page.evaluate(`dispatchEvent(new Event('blur'))`);
    await page.getByRole('button', { name: 'Show password' }).waitFor();
    expect(await page.content()).not.toContain(value);
    await values.getByLabel('Reason').fill('INC-8');
    await page.getByRole('button', { name: 'Show password' }).click();
    await page.getByText(value).waitFor();
    await page.getByRole('link', { name: 'Home' }).click();
    await page.goBack();
    await page.getByRole('button', { name: 'Read the names of the keys' }).waitFor();
    expect(await page.content()).not.toContain(value);
    const found = await api(
      'GET',
      'audit/entries?action=secret.read&operator=value-reader&path=demo/shop/db',
    );
    const entries = found['items'] as readonly { readonly entry: { readonly comment?: string } }[];
    expect(entries.map(({ entry }) => entry.comment).toSorted()).toEqual([
      'INC-7',
      'INC-7',
      'INC-7',
      'INC-8',
    ]);
  });

  it('says in the words of the API which role is missing', async () => {
    const token = await operatorWith('rotator-only', 'rotator', ['demo']);
    const page = await open();
    await signIn(page, token, '/incidents');
    const answer = await fetch(`${broker.url}/api/v1/alerts`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const { detail } = (await answer.json()) as { readonly detail: string };
    expect(detail).toContain('this needs the role');
    await page.getByRole('note').getByText(detail).waitFor();
    // The demonstration has authorities that expire soon, which every role sees.
    await page.route('**/console/call/api/v1/status', async (route) => {
      const response = await route.fetch();
      const status = (await response.json()) as object;
      await route.fulfill({ response, json: { ...status, certificates: [] } });
    });
    await page.getByRole('link', { name: 'Home' }).click();
    await page.getByText('Not shown: alerts, quarantines').waitFor();
    await page.getByText('Nothing that you may see waits for a person.').waitFor();
  });

  it('cuts a workload off and lets it in again, and keeps what was typed when the broker refuses', async () => {
    const page = await open();
    await signIn(page, broker.token, '/workloads/k8s/dev/shop/web');
    const dialog = page.getByRole('dialog', { name: 'Quarantine' });
    await page.getByRole('button', { name: 'Quarantine', exact: true }).click();
    await dialog.getByLabel('Reason').fill('INC-7');
    await page.route('**/console/call/api/v1/quarantines', (route) =>
      route.request().method() === 'POST'
        ? route.fulfill({ status: 503, json: { code: 'ERR_BUSY', detail: 'the broker is busy' } })
        : route.continue(),
    );
    await dialog.getByRole('button', { name: 'Quarantine' }).click();
    await dialog.getByText('the broker is busy').waitFor();
    expect(await dialog.getByLabel('Reason').inputValue()).toBe('INC-7');
    await page.unroute('**/console/call/api/v1/quarantines');
    await dialog.getByRole('button', { name: 'Quarantine' }).click();
    await page.getByRole('table', { name: 'Quarantines' }).getByText('INC-7').waitFor();
    const { items } = (await api('GET', 'quarantines')) as {
      readonly items: readonly { readonly subject: string; readonly reason: string }[];
    };
    expect(items).toMatchObject([{ subject: 'k8s://dev/shop/web', reason: 'INC-7' }]);
    await page.getByRole('button', { name: /^Lift/ }).click();
    await page.getByRole('dialog').getByLabel('Reason').fill('over');
    await page.getByRole('dialog').getByRole('button', { name: /^Lift/ }).click();
    await until(
      'it is lifted',
      async () => ((await api('GET', 'quarantines'))['items'] as readonly unknown[]).length === 0,
    );
  });

  it('creates, edits, deletes and restores a secret, and overwrites no newer version', async () => {
    const page = await open();
    await signIn(page, broker.token, '/secrets/demo/');
    await page.getByRole('button', { name: 'New secret' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Path').fill('demo/made/here');
    await dialog.getByLabel('Key 1').fill('password');
    await dialog.getByLabel('Value 1').fill('typed-value');
    await dialog.getByText('+ sets password').waitFor();
    await dialog.getByRole('button', { name: 'New secret' }).click();
    await page.getByRole('table', { name: 'Versions' }).getByText('● current').waitFor();
    expect(page.url()).toBe(`${broker.url}/console/secrets/demo/made/here`);
    expect(await page.content()).not.toContain('typed-value');
    await page.getByRole('button', { name: 'Edit keys' }).click();
    await dialog.getByLabel('Key 1', { exact: true }).fill('password');
    await dialog.getByLabel('Value 1').fill('second-value');
    // Another person writes while the form is open: the form says so, and keeps what was typed.
    const put = await fetch(`${broker.url}/api/v1/secrets/demo/made/here`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${broker.token}`, 'Content-Type': 'application/json' },
      body: '{"data":{"password":"of-another"}}',
    });
    expect(put.status).toBe(200);
    await dialog.getByText('Version 2 was written').waitFor();
    await dialog.getByRole('button', { name: 'Edit keys' }).click();
    await dialog.getByText('Failed').waitFor();
    expect(await dialog.getByLabel('Value 1').inputValue()).toBe('second-value');
    await dialog.getByRole('button', { name: 'Edit version 2' }).click();
    await dialog.getByRole('button', { name: 'Edit keys' }).click();
    await page.getByRole('row', { name: /^3/ }).waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Restore' }).click();
    await dialog.getByRole('button', { name: 'Restore' }).click();
    await page.getByRole('button', { name: 'Edit keys' }).waitFor();
    expect(await page.content()).not.toMatch(/typed-value|second-value|of-another/);
  });

  it('rotates while a person looks, and shows the result without a reload', async () => {
    const page = await open();
    await signIn(page, broker.token, '/rotations/demo/shop/db');
    await page.getByRole('button', { name: 'Rotate now' }).click();
    const dialog = page.getByRole('dialog', { name: 'Rotate now' });
    await dialog.getByLabel('Reason').fill('INC-9');
    await dialog.getByRole('button', { name: 'Rotate now' }).click();
    await page.getByRole('table', { name: 'History' }).getByText('INC-9').waitFor();
    // The new version is current: no one loads the page again.
    await page
      .locator('[aria-current=step]')
      .getByText(/settle|retire/)
      .or(page.getByRole('table', { name: 'History' }).getByText('done'))
      .first()
      .waitFor();
  });

  it('proves an entry of the audit log in the browser, and sees one that was changed', async () => {
    const page = await open();
    await signIn(page, broker.token, '/audit');
    await page.getByLabel('Action').fill('policy.explain');
    await page.getByText('No entry matches').or(page.getByRole('table')).first().waitFor();
    await page.getByLabel('Action').fill('secret.write');
    await page.getByRole('cell', { name: 'secret.write' }).first().waitFor();
    expect(page.url()).toBe(`${broker.url}/console/audit?action=secret.write`);
    await page.goto(`${broker.url}/console/audit/2`);
    await page.getByText(/The signed log of \d+ entries has this entry/).waitFor();
    const proof = await api('GET', 'audit/entries/3/proof');
    await page.route('**/entries/3/proof', (route) =>
      route.fulfill({ json: { ...proof, entry: `${String(proof['entry'])} ` } }),
    );
    await page.goto(`${broker.url}/console/audit/3`);
    await page.getByText('the checkpoint does not cover this entry').waitFor();
  });

  it('approves on a phone, and shows what the grant gives', async () => {
    const token = await operatorWith('second-admin', 'admin', []);
    const page = await open({
      viewport: { width: 360, height: 740 },
      hasTouch: true,
      isMobile: true,
    });
    await signIn(page, token, `/approvals/${prepared.approval}`);
    await page.getByText('secret-reader').first().waitFor();
    await page.getByText('demo/payments', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Approve' }).tap();
    await page.getByRole('dialog').getByRole('button', { name: 'Approve' }).tap();
    await page.getByText('approved, in force').waitFor();
    await page.getByText('second-admin').first().waitFor();
    expect((await api('GET', `approvals/${prepared.approval}`))['approvedBy']).toBe('second-admin');
  });

  it('explains who may read a secret and by which rule, with the answer of the broker', async () => {
    const page = await open();
    await signIn(page, broker.token, '/secrets/demo/shop/db');
    const rules = page.getByRole('table', { name: 'Rules about reads' });
    const allowed = await rules.getByRole('row', { name: /demo-web/ }).innerText();
    expect(allowed).toContain('k8s://dev/shop/web');
    expect(allowed).toContain('● allow');
    await page.getByLabel('Workload').fill('k8s://dev/shop/web');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('● may read', { exact: true }).waitFor();
    await page.getByText('demo-web').first().waitFor();
    await page.getByLabel('Workload').fill('k8s://dev/other/web');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('■ may not read', { exact: true }).waitFor();
  });

  it('shows markup and turned text of others as text (CO09)', async () => {
    const hostile = '<img src=x onerror=alert(1)><script>alert(1)</script>\u202egnp.exe';
    await api('POST', 'quarantines', {
      kind: 'workload',
      workload: 'k8s://dev/evil/x',
      reason: hostile,
    });
    await api('POST', 'approvals:break-glass', {
      role: 'secret-reader',
      scope: ['elsewhere'],
      duration: '30m',
      reason: hostile,
    });
    const { items } = (await api('GET', 'approvals')) as {
      readonly items: readonly {
        readonly id: string;
        readonly elevation?: { readonly reason: string };
      }[];
    };
    const id = items.find(({ elevation }) => elevation?.reason === hostile)?.id ?? '';
    const page = await open();
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    await signIn(page);
    for (const path of ['/', '/workloads', `/approvals/${id}`]) {
      await page.goto(`${broker.url}/console${path}`);
      await page.locator('bdi').getByText(hostile).first().waitFor();
      expect(await page.locator('img, main script').count()).toBe(0);
    }
    expect(dialogs).toEqual([]);
  });

  it('ends in all tabs at once, and the back button shows nothing afterwards (CO10)', async () => {
    const page = await open();
    await signIn(page, broker.token, '/secrets/demo/shop/db');
    const other = await observe(await page.context().newPage());
    opened.push(other);
    await other.page.goto(`${broker.url}/console/workloads`);
    await other.page.getByRole('heading', { name: 'Workloads' }).waitFor();
    await page.locator('.account > button').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Operator token').waitFor();
    await other.page.getByText('Signed out in another tab.').waitFor();
    await page.goto('about:blank');
    await page.goBack();
    await page.getByLabel('Operator token').waitFor();
    expect(await page.content()).not.toContain('demo-web');
    expect((await page.context().cookies()).map(({ name }) => name)).toEqual([]);
  });

  it('shows what others change at once, by one stream for all tabs, and says when the stream is broken', async () => {
    const page = await open();
    const streams: string[] = [];
    page.context().on('request', (request) => {
      if (request.url().endsWith('/api/v1/changes')) streams.push(request.method());
    });
    await signIn(page, broker.token, '/workloads');
    const other = await observe(await page.context().newPage());
    opened.push(other);
    await other.page.goto(`${broker.url}/console/`);
    await other.page.getByRole('heading', { name: 'Home' }).waitFor();
    await other.page.getByText('Newest backup').waitFor();
    await until('the stream is open', () => Promise.resolve(streams.length > 0));
    await api('POST', 'quarantines', {
      kind: 'workload',
      workload: 'k8s://dev/shop/live',
      reason: 'seen live',
    });
    await Promise.all([page, other.page].map((each) => each.getByText('seen live').waitFor()));
    const { items } = (await api('GET', 'quarantines')) as {
      readonly items: readonly { readonly id: string; readonly reason: string }[];
    };
    const id = items.find(({ reason }) => reason === 'seen live')?.id ?? '';
    await api('DELETE', `quarantines/${id}?reason=over`);
    await Promise.all(
      [page, other.page].map((each) => each.getByText('seen live').waitFor({ state: 'detached' })),
    );
    expect(streams).toEqual(['GET']);
    // The tab that reads the stream closes, and the other one takes over.
    await page.route('**/api/v1/changes', (route) => route.fulfill({ status: 503, json: {} }));
    await other.page.route('**/api/v1/changes', (route) =>
      route.fulfill({ status: 503, json: {} }),
    );
    await page.close();
    await other.page.getByText('Live updates are interrupted.').waitFor();
    await other.page.unroute('**/api/v1/changes');
    await other.page.getByText('Live updates are interrupted.').waitFor({ state: 'detached' });
  });

  it('ends on an open page when the token is revoked', async () => {
    const token = await operatorWith('leaver', 'auditor', []);
    const page = await open();
    await signIn(page, token, '/workloads');
    const { items } = (await api('GET', 'operators/leaver/tokens')) as {
      readonly items: readonly { readonly id: string }[];
    };
    await api('DELETE', `operators/leaver/tokens/${items[0]?.id ?? ''}`);
    await page.getByText('Your session ended.').waitFor();
    expect(await page.getByRole('table').count()).toBe(0);
  });

  it('keeps the page while the broker is unreachable, and says when the broker has a newer page', async () => {
    const page = await open();
    await signIn(page, broker.token, '/secrets/');
    await page.getByRole('link', { name: 'demo/' }).waitFor();
    await page.context().setOffline(true);
    await page.evaluate(`dispatchEvent(new Event('focus'))`);
    await page.getByText('The broker does not answer.').waitFor();
    expect(await page.getByRole('link', { name: 'demo/' }).count()).toBe(1);
    await page.context().setOffline(false);
    await page.evaluate(`dispatchEvent(new Event('focus'))`);
    await until(
      'the broker is back',
      async () => (await page.getByText('The broker does not answer.').count()) === 0,
    );
    await page.route('**/console/call/**', async (route) => {
      const response = await route.fetch();
      await route.fulfill({
        response,
        headers: { ...response.headers(), 'x-quaymaster-console-build': 'newer' },
      });
    });
    await page.evaluate(`dispatchEvent(new Event('focus'))`);
    await page.getByRole('button', { name: 'Load the new page' }).waitFor();
  });

  it('is shown in no frame of another page (CO08)', async () => {
    const page = await open();
    await page.goto(`data:text/html,<iframe src="${broker.url}/console/"></iframe>`);
    await until('the frame is refused', () =>
      Promise.resolve(page.frames()[1]?.url() === 'chrome-error://chromewebdata/'),
    );
    opened.splice(
      opened.findIndex((each) => each.page === page),
      1,
    );
  });

  it('violated its policy nowhere, and logged no error', () => {
    expect(opened.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});
