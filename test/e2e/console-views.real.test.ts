import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { startDevBroker } from '../kit/broker/dev-broker.ts';
import { accessibilityFindings, openPage, startBrowser } from '../kit/console/browser.ts';
import { ConsoleSuite } from '../kit/console/session.ts';
import { logInPod, prepareViews, type Prepared } from '../kit/console/views.ts';

const CALLS = '**/console/call/api/v1';

/** The views of the navigation, with their headings. */
const VIEW_LINKS = [
  ['Secrets', 'Path'],
  ['Workloads', 'Workloads'],
  ['Rotations', 'Rotations'],
  ['Leases', 'Leases'],
  ['Incidents', 'Incidents'],
  ['Approvals', 'Approvals'],
  ['Documents', 'Policies and documents'],
  ['Posture', 'Posture'],
  ['Audit', 'Audit log'],
  ['Access', 'Access'],
  ['System', 'System'],
] as const;
/** The number of parts of each view that a role may not see; a view without a number is whole. */
const REFUSED_PARTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  admin: {},
  responder: { Secrets: 1, Rotations: 1, Posture: 1, Audit: 1, Access: 3, System: 7 },
  auditor: { Secrets: 1, Posture: 1, Access: 2, System: 5 },
  'secret-reader': {
    Workloads: 2,
    Rotations: 1,
    Leases: 1,
    Incidents: 1,
    Posture: 3,
    Audit: 1,
    Access: 3,
    System: 8,
  },
  'secret-editor': {
    Workloads: 2,
    Rotations: 1,
    Leases: 1,
    Incidents: 1,
    Posture: 3,
    Audit: 1,
    Access: 3,
    System: 8,
  },
  rotator: {
    Secrets: 1,
    Workloads: 2,
    Leases: 1,
    Incidents: 1,
    Posture: 3,
    Audit: 1,
    Access: 3,
    System: 8,
  },
  'policy-editor': {
    Secrets: 1,
    Workloads: 2,
    Rotations: 1,
    Leases: 1,
    Incidents: 1,
    Posture: 3,
    Audit: 1,
    Access: 3,
    System: 8,
  },
};

const NARROW = [{ role: 'secret-reader', scope: ['demo'] }];

interface Items<T> {
  readonly items: readonly T[];
}

describeWith(
  ['headless', 'chromium'],
  'views of the console and the answers that they show',
  ({ headless, chromium }) => {
    let suite: ConsoleSuite;
    let prepared: Prepared;

    beforeAll(async () => {
      const [broker, browser] = await Promise.all([
        startDevBroker(),
        startBrowser(headless.program),
      ]);
      suite = new ConsoleSuite(broker, browser);
      prepared = await prepareViews(broker);
    });

    // Each page has a stream of changes, and an operator may have 8.
    afterEach(async () => {
      await Promise.all(suite.browser.contexts().map((context) => context.close()));
    });

    afterAll(async () => {
      await suite.browser.close();
      await suite.broker.close();
    });

    it('shows who had a secret at a time, which the address has', async () => {
      const page = await suite.signIn('/secrets/demo/shop/db');
      const asked: string[] = [];
      page.on('request', (request) => asked.push(new URL(request.url()).pathname));
      const times = (operation: string): number =>
        asked.filter((path) => path.endsWith(operation)).length;
      const section = page.getByRole('region', { name: 'Who had it at a time' });
      await section
        .getByRole('row', { name: /k8s:\/\/dev\/shop\/web.*held it/ })
        .first()
        .waitFor();
      await section.getByRole('slider').focus();
      await page.keyboard.press('Home');
      await section.getByText('By the live audit log, no caller had it then.').waitFor();
      expect(page.url()).toMatch(/\/secrets\/demo\/shop\/db\?at=\d{4}-/);
      await page.keyboard.press('End');
      await section.getByText('held it').first().waitFor();
      expect(page.url()).toMatch(/\/secrets\/demo\/shop\/db$/);
      // The broker records each search of the log, so the page repeats it on request only.
      const [searches, lists] = [times('/audit/receivers'), times('/leases')];
      await page.evaluate(`dispatchEvent(new Event('focus'))`);
      await until('the page loads again', () => Promise.resolve(times('/leases') > lists));
      expect(times('/audit/receivers')).toBe(searches);
      await section.getByRole('button', { name: 'Search again' }).click();
      await until('the page searches again', () =>
        Promise.resolve(times('/audit/receivers') === searches + 1),
      );
    });

    it('compares two prefixes by name, marks what is missing, and reads no value', async () => {
      const page = await suite.signIn('/secrets/demo/shop/');
      const read: string[] = [];
      page.on('request', (request) => {
        const { pathname } = new URL(request.url());
        if (/\/call\/api\/v1\/secrets\/./.test(pathname)) read.push(pathname);
      });
      await page.getByLabel('Compare with the prefix').fill('demo/payments/');
      await page.getByRole('button', { name: 'Compare' }).click();
      const table = page.getByRole('table', { name: 'Secrets of both prefixes' });
      await table.getByRole('row', { name: /^api version .* missing$/ }).waitFor();
      await table.getByRole('row', { name: /^db version .* version/ }).waitFor();
      await page.getByLabel('Only what is missing').check();
      await table.getByText('db', { exact: true }).waitFor({ state: 'detached' });
      const { pathname, searchParams } = new URL(page.url());
      expect([pathname, searchParams.get('with'), searchParams.get('only')]).toEqual([
        '/console/secrets/demo/shop/',
        'demo/payments',
        'missing',
      ]);
      expect(read).toEqual([]);
    });

    it('searches the log by each filter of the command line, and exports what matches', async () => {
      const page = await suite.signIn('/audit?action=secret.read&namespace=shop');
      const chips = page.getByRole('list', { name: 'Filters in force' });
      await chips.getByText('--namespace shop').waitFor();
      expect(await page.getByLabel('Namespace').inputValue()).toBe('shop');
      await page.getByRole('table', { name: 'Entries' }).waitFor();
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Export what matches' }).click();
      const lines = (await readFile(await (await download).path(), 'utf8')).trim().split('\n');
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines)
        expect(JSON.parse(line)).toMatchObject({ entry: { action: 'secret.read' } });
      await chips.getByRole('link', { name: '--namespace shop' }).click();
      await chips.getByText('--namespace').waitFor({ state: 'detached' });
      await chips.getByText('--action secret.read').waitFor();
    });

    it('draws who else read what an incident concerns, and exports evidence that is proven', async () => {
      const page = await suite.signIn(`/incidents/${prepared.alert}`);
      await page
        .getByRole('img', { name: /read \d+ secrets?, which \d+ other readers?/ })
        .waitFor();
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Export the evidence' }).click();
      const text = await readFile(await (await download).path(), 'utf8');
      const { incident, proofs, logKey, unproven } = JSON.parse(text) as {
        readonly incident: { readonly timeline: readonly { readonly index: number }[] };
        readonly proofs: readonly { readonly index: number; readonly checkpoint: string }[];
        readonly logKey: string;
        readonly unproven: number;
      };
      const proven = proofs.map(({ index }) => index);
      expect(proven).toEqual(expect.arrayContaining(incident.timeline.map(({ index }) => index)));
      expect([unproven, logKey.includes('+')]).toEqual([0, true]);
      const [first] = proofs;
      expect(await suite.api('GET', `audit/entries/${first?.index}/proof`)).toMatchObject({
        index: first?.index,
      });
    });

    it('shows logins, reads and refusals of the last minutes on the first page', async () => {
      const page = await suite.signIn('/');
      const section = page.getByRole('region', { name: 'Last hours' });
      await section.getByText(/[1-9]\d* logins?/).waitFor();
      await section.getByText(/[1-9]\d* reads?/).waitFor();
      expect(await section.locator('svg path').count()).toBe(3);
    });

    it('draws only the leases in the window, and loads more as a person scrolls', async () => {
      const page = await suite.open();
      const pages = 5;
      let added = 0;
      await page.route('**/console/call/api/v1/leases?**', (route) => {
        const after = Number(new URL(route.request().url()).searchParams.get('after') ?? '0');
        // New leases come first, so they push others out of the first page.
        const start = after === 0 ? -added : after * 1_000;
        const items = Array.from({ length: 1_000 }, (_, index) => ({
          id: `lea_${start + index}`,
          path: `demo/shop/db${start + index}`,
          workload: 'k8s://dev/shop/web',
          version: '1',
          kind: 'read',
          issuedAt: '2026-01-01T00:00:00.000Z',
          endsAt: '2026-01-01T00:15:00.000Z',
        }));
        const next = after + 1 < pages ? { next: String(after + 1) } : {};
        return route.fulfill({ json: { items, ...next } });
      });
      await page.goto(suite.at('/leases'));
      await suite.signInOn(page);
      const table = page.getByRole('table', { name: 'Leases' });
      await table.getByText('demo/shop/db0', { exact: true }).waitFor();
      await until('all pages are loaded', async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
        return (await table.getAttribute('aria-rowcount')) === '5001';
      });
      await until('the last lease is drawn', async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
        return (await table.getByText('demo/shop/db4999', { exact: true }).count()) === 1;
      });
      expect(await table.getByRole('row').count()).toBeLessThan(120);
      added = 7;
      await page.evaluate(`dispatchEvent(new Event('focus'))`);
      await until('the new leases are there', async () => {
        await page.evaluate('scrollTo(0, 0)');
        return (await table.getByText('demo/shop/db-7', { exact: true }).count()) === 1;
      });
      expect(await table.getAttribute('aria-rowcount')).toBe('5008');
      const row = page.locator('[aria-rowindex="1004"]');
      let texts: readonly string[] = [];
      await until('the end of the first page is drawn', async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight / 5)');
        // This does not wait for the row, which disappears if the browser draws the scroll only now.
        texts = await row.allTextContents();
        return texts.length === 1;
      });
      expect(texts[0]).toContain('demo/shop/db995');
    });

    it('keeps no answer to one operator for the next one, even if it arrives after the sign-out (CO10)', async () => {
      const token = await suite.operatorWith('next-one', 'rotator', ['demo']);
      const answer = await suite.api('GET', 'sessions');
      const page = await suite.open();
      const held: (() => Promise<void>)[] = [];
      await page.route(`${CALLS}/sessions?**`, (route) => {
        held.push(() => route.fulfill({ json: answer }));
      });
      await page.goto(suite.at('/workloads'));
      await suite.signInOn(page);
      await until('the sessions are asked for', () => Promise.resolve(held.length > 0));
      await suite.signOut(page);
      await page.getByRole('button', { name: 'Sign in with a token' }).waitFor();
      const asked = held.length;
      const arrived = page.waitForResponse((response) => response.url().includes('/v1/sessions?'));
      await held[0]?.();
      await (await arrived).finished();
      await suite.signInOn(page, token);
      await until('the sessions are asked for', () => Promise.resolve(held.length > asked));
      await page.getByRole('heading', { name: 'Workloads' }).waitFor();
      expect(await page.getByRole('table', { name: 'Workloads' }).count()).toBe(0);
      expect(await page.getByText('Loading…').count()).toBeGreaterThan(0);
    });

    it('keeps the navigation if a view cannot show an answer, says what happened and loads again', async () => {
      const page = await suite.open();
      await page.route(`${CALLS}/sessions?**`, (route) =>
        route.fulfill({ json: { items: [null] } }),
      );
      await page.goto(suite.at('/workloads'));
      await suite.signInOn(page);
      await page.getByRole('alert').getByText('TypeError').waitFor();
      expect(await accessibilityFindings(page)).toEqual([]);
      await page.getByRole('link', { name: 'Rotations' }).click();
      await page.getByRole('table', { name: 'Rotations' }).waitFor();
      await page.goBack();
      await page.getByRole('heading', { name: 'This page failed' }).waitFor();
      await page.unrouteAll();
      await page.getByRole('button', { name: 'Load again' }).click();
      await page.getByRole('table', { name: 'Workloads' }).waitFor();
    });

    it('shows states, times and entries that it cannot read as they are', async () => {
      const items = ((await suite.api('GET', 'alerts')) as unknown as Items<object>).items.map(
        (each) => ({
          ...each,
          state: 'of-later',
          receivedAt: 'some day',
        }),
      );
      const proof = await suite.api('GET', 'audit/entries/1/proof');
      const page = await suite.open();
      await page.route(`${CALLS}/alerts?**`, (route) => route.fulfill({ json: { items } }));
      await page.route(`${CALLS}/audit/entries/1/proof`, (route) =>
        route.fulfill({ json: { ...proof, entry: '{"half', hashes: ['%'] } }),
      );
      await page.goto(suite.at('/incidents'));
      await suite.signInOn(page);
      await page.getByText('▲ of-later').first().waitFor();
      await page.getByText('some day').first().waitFor();
      await page.goto(suite.at('/audit/1'));
      await page.getByText('■ Not proven').waitFor();
      await page.getByText('{"half').waitFor();
    });

    it('cuts a text of 64 KB in a filter, and sends none that came with an address', async () => {
      const page = await suite.signIn('/secrets/');
      await page.getByRole('link', { name: 'demo/' }).waitFor();
      const long = 'x'.repeat(65_536);
      await page.getByLabel('Filter').fill(long);
      await page.getByText('There is no secret that you may list.').waitFor();
      expect((await page.getByLabel('Filter').inputValue()).length).toBe(512);
      await page.getByRole('link', { name: 'Audit' }).click();
      await page.getByRole('table', { name: 'Entries' }).waitFor();
      await page.evaluate(`(() => {
        history.pushState(null, '', '/console/audit?operator=' + 'x'.repeat(65536));
        dispatchEvent(new PopStateEvent('popstate'));
      })()`);
      await page.getByText('The request is too long for the broker.').waitFor();
      expect(await page.getByText('The broker does not answer.').count()).toBe(0);
      const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      expect(Math.max(0, wide)).toBe(0);
      await page.goBack();
      await page.getByRole('table', { name: 'Entries' }).waitFor();
    });

    it('leaves no page for the back button after sign-out, in a browser that keeps pages', async () => {
      const browser = await startBrowser(chromium.program, [], { keepsPages: true });
      const { page, complaints } = await openPage(browser);
      await page.goto(suite.at('/secrets/demo/shop/db'));
      await suite.signInOn(page);
      await page.getByRole('table', { name: 'Versions' }).waitFor();
      await suite.signOut(page);
      await page.goto(`${suite.broker.url}/healthz`);
      await page.goBack();
      await page.getByLabel('Operator token').waitFor();
      expect(await page.getByRole('table').count()).toBe(0);
      expect(complaints).toEqual([]);
      await browser.close();
    });

    it('shows each role what it may see, and names the missing role for the rest', async () => {
      const seen: Record<string, Record<string, number>> = {};
      for (const role of Object.keys(REFUSED_PARTS)) {
        const isEverywhere = ['responder', 'auditor', 'admin'].includes(role);
        const scope = isEverywhere ? [] : ['demo'];
        const page = await suite.signIn('/', await suite.operatorWith(`the-${role}`, role, scope));
        const parts: Record<string, number> = {};
        for (const [link, heading] of VIEW_LINKS) {
          await page.getByRole('link', { name: link, exact: true }).click();
          await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
          await until(
            'the view is loaded',
            async () => (await page.locator('.loading').count()) === 0,
          );
          const notes = await page.getByRole('note').allTextContents();
          for (const note of notes) expect(note).toMatch(/this needs (the role|one of the roles)/);
          expect([role, link, await page.getByText('■ Failed').count()]).toEqual([role, link, 0]);
          if (notes.length > 0) parts[link] = notes.length;
        }
        seen[role] = parts;
        await page.context().close();
      }
      expect(seen).toEqual(REFUSED_PARTS);
    });

    it('shows what a role may not do as unavailable, names the missing role, and learns of lost rights', async () => {
      const token = await suite.operatorWith('night', 'secret-editor', ['demo']);
      const page = await suite.signIn('/secrets/demo/shop/db', token);
      const remove = page.getByRole('button', { name: 'Delete', exact: true });
      await remove.waitFor();
      expect(await remove.isEnabled()).toBe(true);
      const { etag } = await suite.api('GET', 'operators/night');
      const headers = { 'If-Match': etag as string };
      await suite.api('PUT', 'operators/night', { grants: NARROW }, headers);
      await page.evaluate(`dispatchEvent(new Event('focus'))`);
      await until('the rights are known', async () => remove.isDisabled());
      const description = `#${await remove.getAttribute('aria-describedby')}`;
      const needed = 'needs the role secret-editor or admin for this path';
      expect(await page.locator(description).textContent()).toBe(needed);
    });

    it('says before a request what the broker would answer, also to a role with a scope', async () => {
      const token = await suite.operatorWith('scoped', 'policy-editor', ['demo']);
      const page = await suite.signIn('/documents/policy', token);
      // The broker learns from the text of a policy whether the scope covers it.
      expect(await page.getByRole('button', { name: 'New policy' }).isEnabled()).toBe(true);
      await page.goto(suite.at('/secrets/demo/shop/db'));
      const explain = page.getByRole('button', { name: 'Explain' });
      await until('the rights are known', async () => explain.isDisabled());
      const said = await page
        .locator(`[id="${await explain.getAttribute('aria-describedby')}"]`)
        .textContent();
      expect(said).toBe('needs the role policy-editor or auditor or admin');
      const answer = await fetch(`${suite.broker.url}/api/v1/policies:explain`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({
          workload: { cluster: 'dev', namespace: 'shop', serviceAccount: 'web' },
          capability: 'read',
          path: 'demo/shop/db',
          sourceAddress: '127.0.0.1',
        }),
      });
      expect(answer.status).toBe(403);
      const { detail } = (await answer.json()) as { readonly detail: string };
      expect(detail.startsWith(`this ${said}, with a scope that covers the request`)).toBe(true);
    });

    it('does not offer an approval to the person who asked for it', async () => {
      await suite.api('PUT', 'operators/asks', { grants: [{ role: 'admin' }] });
      const created = await suite.api('POST', 'operators/asks/tokens', { ttl: '10m' });
      const { token } = created as { readonly token: string };
      const asked = await fetch(`${suite.broker.url}/api/v1/approvals:break-glass`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({
          role: 'secret-reader',
          scope: ['demo'],
          duration: '10m',
          reason: 'INC-8',
        }),
      });
      const { id } = (await asked.json()) as { readonly id: string };
      const page = await suite.signIn(`/approvals/${id}`, token);
      const approve = page.getByRole('button', { name: 'Approve' });
      await approve.waitFor();
      expect(await approve.isDisabled()).toBe(true);
      await page
        .getByText('you requested this yourself; another admin must decide')
        .first()
        .waitFor();
      await suite.signOut(page);
      await suite.signInOn(page);
      await until('another admin may decide', async () => approve.isEnabled());
    });

    it('shows sinks that are behind and certificates that expire as tasks, with the state of each', async () => {
      const status = await suite.api('GET', 'status');
      const { log, time } = status as { readonly log: object; readonly time: string };
      const behindSince = new Date(Date.parse(time) - 3_600_000).toISOString();
      const late = { lag: 1_200, behindSince, stopped: false, failing: false };
      const page = await suite.open();
      await page.route(`${CALLS}/status`, (route) =>
        route.fulfill({
          json: {
            ...status,
            log: { ...log, sinks: [{ lag: 0, stopped: false, failing: false }, late] },
          },
        }),
      );
      await page.goto(suite.at('/'));
      await suite.signInOn(page);
      const tasks = page.getByRole('region', { name: 'Needs a person' });
      await tasks.getByText('■ problem').first().waitFor();
      await tasks.getByText('sink 1 1200 entries behind').waitFor();
      // The demonstration has authorities that expire soon.
      await tasks
        .getByText('certificate connections.partner-mesh.bundleFile expires soon')
        .waitFor();
      expect(await tasks.getByText('sink 0').count()).toBe(0);
      await tasks.getByRole('link', { name: 'sink 1' }).click();
      const sinks = page.getByRole('table', { name: 'Receivers of the log' });
      await sinks.getByRole('row', { name: /^sink 1 is behind 1,200 entries, since/ }).waitFor();
      const certificates = page.getByRole('table', { name: 'Certificates' });
      await certificates.getByRole('row', { name: /partner-mesh.* expiring/ }).waitFor();
    });

    it('opens an incident after a dry run, shows what to do with each secret, and closes it', async () => {
      await logInPod(suite.broker);
      const page = await suite.signIn('/workloads/k8s/dev/shop/web');
      await page.getByRole('button', { name: 'Open incident' }).click();
      const dialog = page.getByRole('dialog', { name: 'Open incident' });
      await dialog.getByRole('button', { name: 'Show what it read' }).click();
      await dialog.getByText(/^(At least )?\d+ secrets? of the last day/).waitFor();
      await dialog.getByRole('list').getByText('demo/shop/db').waitFor();
      await dialog.getByLabel('Reason').fill('INC-9: the pod sends data out');
      await dialog.getByRole('button', { name: 'Open incident' }).click();
      await page.waitForURL(/\/console\/incidents\/\w+$/);
      const secrets = page.getByRole('table', { name: 'Secrets that were read' });
      await secrets.getByRole('row', { name: /demo\/shop\/db/ }).waitFor();
      const standing = page.getByRole('region', { name: 'Quarantine' });
      await standing.getByText('refuses everything').waitFor();
      expect(await accessibilityFindings(page)).toEqual([]);
      await standing.getByRole('button', { name: /^Lift/ }).click();
      const lift = page.getByRole('dialog');
      await lift.getByLabel('Reason').fill('INC-9 is over');
      await lift.getByRole('button', { name: /^Lift/ }).click();
      await standing.waitFor({ state: 'detached' });
    });

    it('opens the menu of the account from the keyboard, and closes it by the escape key or a click beside it', async () => {
      const page = await suite.signIn('/');
      const out = page.getByRole('button', { name: 'Sign out' });
      await page.locator('.account > button').focus();
      await page.keyboard.press('Enter');
      await out.waitFor();
      expect(await accessibilityFindings(page)).toEqual([]);
      await page.keyboard.press('Escape');
      await out.waitFor({ state: 'hidden' });
      await page.locator('.account > button').click();
      await out.waitFor();
      await page.getByRole('heading', { name: 'Home' }).click();
      await out.waitFor({ state: 'hidden' });
    });

    it('violated its policy nowhere, and logged no error', () => {
      expect(suite.complaints).toEqual([]);
    });
  },
);
