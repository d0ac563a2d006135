import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { startDevBroker } from '../kit/broker/dev-broker.ts';
import {
  askBoth,
  everythingKept,
  forgeRequests,
  looseTurnedTexts,
  loseFirstAnswer,
  submitForgedLogin,
} from '../kit/console/attacks.ts';
import { openPage, startBrowser } from '../kit/console/browser.ts';
import { ConsoleSuite } from '../kit/console/session.ts';
import { logInPod } from '../kit/console/views.ts';

/** Markup, the end of an attribute, and a character that turns the text after it around. */
const HOSTILE = `"'><img src=x onerror=alert(1)><script>alert(1)</script>\u202egnp.exe`;
const PART = 'onerror=alert(1)';
const CALLS = '**/console/call/api/v1';

interface Items<T> {
  readonly items: readonly T[];
}

describeWith(['headless'], 'the console under attack and with bad input', ({ headless }) => {
  let suite: ConsoleSuite;
  let attacker: Server;
  /** Pages of the attacker: on another port of the same host, and on another site. */
  let neighbour: string;
  let evil: string;

  beforeAll(async () => {
    const rules = '--host-resolver-rules=MAP *.test 127.0.0.1';
    const [broker, browser] = await Promise.all([
      startDevBroker(),
      startBrowser(headless.program, [rules]),
    ]);
    suite = new ConsoleSuite(broker, browser);
    // A session, so that the list of workloads has a row.
    await logInPod(broker);
    attacker = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>page of the attacker</title>');
    });
    await new Promise<void>((resolve) => attacker.listen(0, '127.0.0.1', resolve));
    const { port } = attacker.address() as AddressInfo;
    neighbour = `http://127.0.0.1:${port}/`;
    evil = `http://evil.test:${port}/`;
  });

  // Each page has a stream of changes, and an operator may have 8.
  afterEach(async () => {
    await Promise.all(suite.browser.contexts().map((context) => context.close()));
  });

  afterAll(async () => {
    await suite.browser.close();
    attacker.close();
    await suite.broker.close();
  });

  const consoleUrl = (path = '/'): string => `${suite.broker.url}/console${path}`;
  const cookieName = (): string => `session-${new URL(suite.broker.url).port}`;

  async function list<T>(path: string): Promise<readonly T[]> {
    return ((await suite.api('GET', path)) as unknown as Items<T>).items;
  }

  /** Delivers alerts of Falco, each by its own rule. */
  async function alert(rule: string, more: object = {}): Promise<void> {
    const { url, directory } = suite.broker;
    const secret = (await readFile(join(directory, '.quaymaster/alerts.secret'), 'utf8')).trim();
    const answer = await fetch(`${url}/api/v1/alert-sources/falco/alerts`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({
        rule,
        priority: 'Notice',
        source: 'syscall',
        time: new Date().toISOString(),
        output_fields: { 'k8s.ns.name': 'shop', 'k8s.pod.name': 'gone-0' },
        ...more,
      }),
    });
    expect([answer.status, await answer.text()]).toEqual([202, expect.anything()]);
  }

  it('shows markup in each stored field as text: comment, key, value, reason, rule, pod, description (CO09)', async () => {
    await suite.api('PUT', 'secrets/demo/evil', {
      data: { [HOSTILE]: HOSTILE },
      comment: HOSTILE,
    });
    await suite.api('POST', 'quarantines', {
      kind: 'workload',
      workload: 'k8s://dev/evil/x',
      reason: HOSTILE,
    });
    const order = { role: 'secret-reader', scope: ['elsewhere'], duration: '30m' };
    await suite.api('POST', 'approvals:break-glass', { ...order, reason: HOSTILE });
    await suite.api('PUT', 'policies/evil', {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: 'evil', description: HOSTILE },
      spec: {
        subjects: [{ clusters: ['dev'], namespaces: ['evil'], serviceAccounts: ['x'] }],
        rules: [{ name: 'all', effect: 'deny', paths: ['evil/**'], capabilities: ['read'] }],
      },
    });
    await suite.api('PUT', 'response-rules/evil', {
      match: { rules: [HOSTILE], namespaces: ['evil'] },
      action: 'audit',
      scope: 'pod',
    });
    await alert(HOSTILE, {
      tags: [HOSTILE],
      hostname: HOSTILE,
      output_fields: { 'k8s.ns.name': HOSTILE, 'k8s.pod.name': HOSTILE },
    });
    const { id: approval } = (await list<{ id: string }>('approvals'))[0] ?? { id: '' };
    const alerts = await list<{ id: string; rule: string }>('alerts');
    const incident = alerts.find(({ rule }) => rule === HOSTILE)?.id ?? '';
    const written = await list<{ index: number }>('audit/entries?action=quarantine.create');
    const page = await suite.open();
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    await page.goto(consoleUrl());
    await suite.signInOn(page);
    for (const path of [
      '/',
      '/secrets/demo/evil',
      '/workloads',
      `/approvals/${approval}`,
      '/incidents',
      `/incidents/${incident}`,
      '/documents/policy/evil',
      '/documents/response-rule/evil',
      `/audit/${String(written[0]?.index)}`,
    ]) {
      await page.goto(consoleUrl(path));
      await page.locator('main').getByText(PART).first().waitFor();
      expect([path, await page.locator('img, body script, iframe').count()]).toEqual([path, 0]);
    }
    // An address is text of others too: a link leads there.
    const text = encodeURIComponent(HOSTILE);
    await page.goto(consoleUrl(`/workloads?filter=${text}`));
    await page.getByLabel('Filter').waitFor();
    expect(await page.getByLabel('Filter').inputValue()).toBe(HOSTILE);
    const answer = await page.goto(consoleUrl(`/secrets/${text}`));
    expect([answer?.status(), answer?.headers()['content-type']]).toEqual([
      400,
      'application/problem+json',
    ]);
    expect(dialogs).toEqual([]);
  });

  it('shows a character that turns text around by its number in documents, and isolates it elsewhere', async () => {
    const page = await suite.signIn('/documents/policy/evil');
    await page.getByLabel('Text').getByText('\\u202egnp.exe').waitFor();
    expect(await page.getByLabel('Text').textContent()).not.toContain('\u202e');
    await page.goto(consoleUrl('/'));
    await page.getByText(PART).first().waitFor();
    const loose = await looseTurnedTexts(page);
    expect(loose).toEqual([]);
  });

  it('shows a value of 64 KB on request, and gives a binary value as a download only', async () => {
    const long = `${'<b>'.repeat(21_000)}end of the value`;
    const bytes = Buffer.from([0, 159, 146, 150, 255]);
    await suite.api('PUT', 'secrets/demo/shop/bulky', {
      data: { long, binary: { base64: bytes.toString('base64') } },
    });
    const page = await suite.signIn('/secrets/demo/shop/bulky');
    await page.getByLabel('Reason').last().fill('INC-9');
    await page.getByRole('button', { name: 'Read the names of the keys' }).click();
    await page.getByRole('button', { name: 'Show long' }).click();
    await page.getByText('end of the value').waitFor();
    expect(await page.locator('main b b').count()).toBe(0);
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(Math.max(0, wide)).toBe(0);
    const row = page.getByRole('row', { name: 'binary' });
    await row.getByText('5 bytes').waitFor();
    expect(await row.getByRole('button', { name: /Show|Copy/ }).count()).toBe(0);
    const download = page.waitForEvent('download');
    await row.getByRole('button', { name: 'Download binary' }).click();
    const saved = await download;
    expect(saved.suggestedFilename()).toBe('binary');
    expect(await readFile(await saved.path())).toEqual(bytes);
    expect(await page.content()).not.toContain(bytes.toString('base64'));
  });

  it('lets no page of another port or site write, read, log in or sign out (CO01, CO05)', async () => {
    const page = await suite.signIn();
    const token = await suite.operatorWith('intruder', 'auditor');
    const quarantines = await list('quarantines');
    const context = page.context();
    const answers: string[] = [];
    context.on('response', (response) => {
      const request = response.request();
      if (request.url().startsWith(consoleUrl()) && request.frame().page() !== page)
        answers.push(`${request.method()} ${response.status()}`);
    });
    for (const origin of [neighbour, evil]) {
      const hostile = await context.newPage();
      await hostile.goto(origin);
      const tried = await forgeRequests(hostile, consoleUrl(''), token);
      expect(tried).toEqual(['opaque', 'refused', 'opaque', 'refused', 'refused', 'refused']);
      await submitForgedLogin(hostile, consoleUrl('/session'), token);
      await hostile.waitForURL(consoleUrl('/session'));
      await hostile.close();
    }
    // From each origin two requests of a script, and the form.
    await until('the browser reported each answer', () =>
      Promise.resolve(answers.filter((each) => each.startsWith('POST')).length === 6),
    );
    expect(answers.filter((each) => !/ (403|405)$/.test(each))).toEqual([]);
    expect(await list('quarantines')).toEqual(quarantines);
    await page.reload();
    await page.locator('.account').getByText('bootstrap').waitFor();
  });

  it('gives a page that opened it no hold of its window', async () => {
    const page = await suite.signIn();
    const hostile = await page.context().newPage();
    await hostile.goto(neighbour);
    const popup = hostile.waitForEvent('popup');
    await hostile.evaluate(
      `(() => { globalThis.opened = open(${JSON.stringify(consoleUrl())}); })()`,
    );
    const opened = await popup;
    await opened.getByRole('heading', { name: 'Home' }).waitFor();
    expect(await opened.evaluate('opener')).toBeNull();
    expect(await hostile.evaluate('opened.closed')).toBe(true);
  });

  it('answers a browser under no other name, although the name leads to it (CO02)', async () => {
    const { page } = await openPage(suite.browser);
    const rebound = consoleUrl().replace('127.0.0.1', 'rebound.test');
    const answer = await page.goto(rebound);
    expect(answer?.status()).toBe(403);
    const statuses = await page.evaluate(`Promise.all(
      ['/console/session', '/console/call/api/v1/secrets'].map((path) =>
        fetch(path, { headers: { 'X-Quaymaster-Console': 'x' } }).then(({ status }) => status)),
    )`);
    expect(statuses).toEqual([403, 403]);
  });

  it('replaces a session cookie that was there before the login (CO06)', async () => {
    const own = await suite.signIn('/', await suite.operatorWith('fixer', 'auditor'));
    const [fixed] = await own.context().cookies();
    const page = await suite.open();
    await page.goto(consoleUrl());
    await page.getByLabel('Operator token').waitFor();
    await page.context().addCookies([{ ...fixed!, name: cookieName() }]);
    await suite.signInOn(page);
    await page.locator('.account').getByText('bootstrap').waitFor();
    const after = await page.context().cookies();
    expect(after.map(({ name }) => name)).toEqual([cookieName()]);
    expect(after[0]?.value).not.toBe(fixed?.value);
  });

  it('refuses two cookies of its name, and says why the login does not last (CO03)', async () => {
    const page = await suite.signIn();
    const { hostname } = new URL(suite.broker.url);
    const tossed = { name: cookieName(), value: 'tossed', domain: hostname, path: '/console' };
    await page.context().addCookies([tossed]);
    await page.reload();
    await page.getByLabel('Operator token').fill(suite.broker.token);
    await page.getByRole('button', { name: 'Sign in with a token' }).click();
    await page.getByText('The browser did not keep the cookie of the session').waitFor();
    await page.context().clearCookies({ path: '/console' });
    await suite.signInOn(page);
  });

  it('shows the operator of the first login no more when another one signs in in a second tab (CO12)', async () => {
    const token = await suite.operatorWith('second-role', 'rotator', ['demo']);
    const page = await suite.open();
    await page.goto(consoleUrl('/workloads'));
    const other = await suite.openTab(page.context());
    await other.goto(consoleUrl());
    await other.getByLabel('Operator token').waitFor();
    await suite.signInOn(page);
    await page.getByRole('table', { name: 'Workloads' }).waitFor();
    await suite.signInOn(other, token);
    await page.getByText('second-role signed in in another tab').waitFor();
    expect(await page.getByRole('table').count()).toBe(0);
    await page.reload();
    await page.locator('.account').getByText('second-role').waitFor();
    await page.getByRole('note').getByText('this needs the role').first().waitFor();
  });

  it('tells an operator of one tenant nothing about the things of another, for any id that it guesses (CO13)', async () => {
    const theirs = await list<{ id: string }>('alerts');
    const [quarantine] = await list<{ id: string }>('quarantines');
    const [approval] = await list<{ id: string }>('approvals');
    await suite.api('PUT', 'operators/tenant', {
      grants: [
        { role: 'secret-reader', scope: ['demo/shop'] },
        { role: 'secret-editor', scope: ['demo/shop'] },
        { role: 'rotator', scope: ['demo/shop'] },
        { role: 'policy-editor', scope: ['demo/shop'] },
      ],
    });
    const { token } = await suite.api('POST', 'operators/tenant/tokens', { ttl: '10m' });
    const page = await suite.signIn('/secrets/demo/payments/db', token as string);
    const pairs = [
      ['GET', 'secrets/demo/payments/db?reason=x', 'secrets/demo/payments/none?reason=x'],
      ['GET', 'secret-versions/demo/payments/db', 'secret-versions/demo/payments/none'],
      ['DELETE', 'secrets/demo/payments/db', 'secrets/demo/payments/none'],
      ['GET', 'rotations/demo/payments/db', 'rotations/demo/payments/none'],
      ['POST', 'rotations/demo/payments/db:run', 'rotations/demo/payments/none:run'],
      ['GET', 'leases?path=demo/payments/db', 'leases?path=demo/payments/none'],
      ['GET', `incidents/${theirs[0]?.id}`, 'incidents/alr_0000000000000000'],
      ['POST', `alerts/${theirs[0]?.id}:dismiss`, 'alerts/alr_0000000000000000:dismiss'],
      ['GET', `approvals/${approval?.id}`, 'approvals/apr_0000000000000000'],
      ['POST', `approvals/${approval?.id}:approve`, 'approvals/apr_0000000000000000:approve'],
      [
        'DELETE',
        `quarantines/${quarantine?.id}?reason=x`,
        'quarantines/qua_0000000000000000?reason=x',
      ],
    ] as const;
    const answers = await askBoth(page, pairs);
    const same = (text = ''): string => text.replaceAll(/payments\/(db|none)/g, 'payments/…');
    for (const [what, real, guessed] of answers) {
      expect([what, same(real)]).toEqual([what, same(guessed)]);
      expect([what, real]).toEqual([what, expect.stringMatching(/^(403|404) /)]);
    }
    const shown = async (path: string): Promise<string> => {
      await page.goto(consoleUrl(path));
      await page.locator('h1').waitFor();
      await until('it is loaded', async () => (await page.locator('.loading').count()) === 0);
      return (await page.locator('main').textContent())?.replaceAll(/\/ ?(none|db)/g, '/…') ?? '';
    };
    expect(await shown('/secrets/demo/payments/db')).toBe(
      await shown('/secrets/demo/payments/none'),
    );
  });

  it('keeps token and value nowhere after sign-out: address, history, storage, caches, back button (CO10, CO11)', async () => {
    const value = 'only-for-payments';
    const token = await suite.operatorWith('leaving', 'secret-reader', ['demo/payments']);
    const page = await suite.signIn('/secrets/demo/payments/db', token);
    await page.getByLabel('Reason').last().fill('INC-10');
    await page.getByRole('button', { name: 'Read the names of the keys' }).click();
    await page.getByRole('button', { name: 'Show password' }).click();
    await page.getByText(value).waitFor();
    await suite.signOut(page);
    const kept = await everythingKept(page);
    for (const secret of [token, value]) expect(kept).not.toContain(secret);
    expect(kept).toContain('{},{},[],[],0,');
    expect(await page.context().cookies()).toEqual([]);
    await page.goto('about:blank');
    await page.goBack();
    await page.getByLabel('Operator token').waitFor();
    expect(await page.content()).not.toContain(value);
    // A browser may keep the whole page for the back button: the page then loads again.
    const loaded = page.waitForEvent('load');
    await page.evaluate(`dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))`);
    await loaded;
    await page.getByLabel('Operator token').waitFor();
  });

  it('says so when the broker could not end the session at sign-out (CO14)', async () => {
    const page = await suite.signIn('/secrets/');
    await page.getByRole('link', { name: 'demo/' }).waitFor();
    await page.context().setOffline(true);
    await suite.signOut(page);
    await page.getByText('the session of this browser is still open').waitFor();
    await page.context().setOffline(false);
    await page.reload();
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
    await suite.signOut(page);
    await page.reload();
    await page.getByLabel('Operator token').waitFor();
  });

  it('signs out after 15 minutes without input in any tab (CO14)', async () => {
    const page = await suite.open();
    await page.clock.install();
    await page.goto(consoleUrl());
    await suite.signInOn(page);
    const other = await suite.openTab(page.context());
    await other.goto(consoleUrl('/secrets/'));
    await other.getByRole('link', { name: 'demo/' }).waitFor();
    await page.clock.fastForward('10:00');
    await page.evaluate(`(() => {
      new BroadcastChannel('quaymaster').onmessage = ({ data }) => (document.title = data.is);
    })()`);
    await other.keyboard.press('Tab');
    await until('the tab received the message', async () => (await page.title()) === 'input');
    await page.clock.fastForward('10:00');
    // Both checked twice since the input in one of them.
    await page.clock.runFor('00:12');
    for (const each of [page, other])
      expect(await each.getByRole('navigation', { name: 'Views' }).count()).toBe(1);
    await page.clock.fastForward('16:00');
    for (const each of [page, other])
      await each.getByText(/Signed out (after 15 minutes without input|in another tab)/).waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });

  it.each([60, -60])(
    'goes by the time of the broker if the clock of the browser is off by %p minutes',
    async (minutes) => {
      const token = await suite.operatorWith(
        `clock${minutes > 0 ? '-ahead' : '-behind'}`,
        'auditor',
        [],
        '4m',
      );
      const page = await suite.open();
      await page.clock.install({ time: Date.now() + minutes * 60_000 });
      await page.goto(consoleUrl('/workloads'));
      await suite.signInOn(page, token);
      await page.getByText(/Your session ends in [1-4] min/).waitFor();
      await page.clock.runFor('00:12');
      const since = page.getByRole('table', { name: 'Workloads' }).locator('time').first();
      await since.waitFor();
      expect(await since.textContent()).not.toContain('hr');
      expect(await page.getByRole('navigation', { name: 'Views' }).count()).toBe(1);
    },
  );

  it('survives a stream of changes that sends nonsense, and one that falls silent', async () => {
    const page = await suite.open();
    await page.clock.install();
    let streams = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/api/v1/changes')) streams += 1;
    });
    await page.route(`${CALLS}/changes`, (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: 'event: changed\ndata: {"changes":[{"kind"\n\nevent: <img src=x>\ndata: \n\n',
      }),
    );
    await page.goto(consoleUrl('/workloads'));
    await suite.signInOn(page);
    await page.getByText('Live updates are interrupted.').waitFor();
    await page.getByRole('table', { name: 'Workloads' }).waitFor();
    await page.unroute(`${CALLS}/changes`);
    await page.getByText('Live updates are interrupted.').waitFor({ state: 'detached' });
    const before = streams;
    await page.clock.fastForward('00:45');
    await until('another stream is open', () => Promise.resolve(streams > before));
    await page.getByText('Live updates are interrupted.').waitFor({ state: 'detached' });
  });

  it('repeats an action whose answer was lost without doing it twice, and keeps what was typed', async () => {
    // The page shows no rotation in progress, so that the form stays open for the repeat.
    const idle = await suite.api('GET', 'rotations/demo/shop/db');
    const page = await suite.open();
    await page.route(`${CALLS}/rotations/demo/shop/db`, (route) => route.fulfill({ json: idle }));
    await page.goto(consoleUrl('/rotations/demo/shop/db'));
    await suite.signInOn(page);
    const before = await list('rotation-history/demo/shop/db');
    // The broker does the first order, and its answer does not arrive.
    await loseFirstAnswer(page, ':run');
    await page.getByRole('button', { name: 'Rotate now' }).click();
    const dialog = page.getByRole('dialog', { name: 'Rotate now' });
    await dialog.getByLabel('Reason').fill('INC-11');
    await dialog.getByRole('button', { name: 'Rotate now' }).click();
    await dialog.getByText('The broker does not answer.').waitFor();
    expect(await dialog.getByLabel('Reason').inputValue()).toBe('INC-11');
    await dialog.getByRole('button', { name: 'Rotate now' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const after = await list('rotation-history/demo/shop/db');
    expect(after.length - before.length).toBe(1);
  });

  it('says that it is of an older build, and loads the new page', async () => {
    const page = await suite.open();
    await page.route(consoleUrl('/workloads'), async (route) => {
      const response = await route.fetch();
      const body = (await response.text()).replace(/(name="build" content=")[^"]*/, '$1older');
      await route.fulfill({ response, body });
    });
    await page.goto(consoleUrl('/workloads'));
    await suite.signInOn(page);
    const banner = page.getByText('This page is of the build before it.');
    await banner.waitFor();
    // A script of the older build is gone.
    await page.route('**/console/assets/documents-*.js', (route) => route.fulfill({ status: 404 }));
    await page.getByRole('link', { name: 'Documents' }).click();
    await page.getByRole('heading', { name: 'This page is outdated' }).waitFor();
    await page.unrouteAll();
    await page.goBack();
    await page.getByRole('button', { name: 'Load the new page' }).click();
    await page.getByRole('table', { name: 'Workloads' }).waitFor();
    await banner.waitFor({ state: 'detached' });
  });

  // The last one with the broker, because it starts the broker again.
  it('keeps page and session while the broker restarts, and is live again afterwards', async () => {
    const page = await suite.signIn('/workloads');
    await page.getByRole('table', { name: 'Workloads' }).waitFor();
    await suite.broker.stop();
    await page.evaluate(`dispatchEvent(new Event('focus'))`);
    await page.getByText('The broker does not answer.').waitFor();
    expect(await page.getByRole('table', { name: 'Workloads' }).count()).toBe(1);
    await suite.broker.start();
    await page
      .getByText(/The broker does not answer|Live updates/)
      .first()
      .waitFor({ state: 'detached' });
    await suite.api('POST', 'quarantines', {
      kind: 'workload',
      workload: 'k8s://dev/shop/later',
      reason: 'after the restart',
    });
    await page.getByText('after the restart').waitFor();
  });

  it('violated its policy nowhere, and logged no error', () => {
    expect(suite.complaints).toEqual([]);
  });
});
