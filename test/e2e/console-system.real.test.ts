import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { startDevBroker } from '../kit/broker/dev-broker.ts';
import { startBrowser } from '../kit/console/browser.ts';
import { ConsoleSuite } from '../kit/console/session.ts';
import { logInPod } from '../kit/console/views.ts';
import { INDEX, trivyReport } from '../kit/images/scanner-reports.ts';

const PIXEL = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

describeWith(['headless'], 'search, access, system and posture in the console', ({ headless }) => {
  let suite: ConsoleSuite;

  beforeAll(async () => {
    const [broker, browser] = await Promise.all([startDevBroker(), startBrowser(headless.program)]);
    suite = new ConsoleSuite(broker, browser);
  });

  // Each page has a stream of changes, and an operator may have 8.
  afterEach(async () => {
    await Promise.all(suite.browser.contexts().map((context) => context.close()));
  });

  afterAll(async () => {
    await suite.browser.close();
    await suite.broker.close();
  });

  it('finds policies, operators, leases, entries and images with the keyboard, and asks the log for people once', async () => {
    const report = JSON.stringify(trivyReport({ CreatedAt: new Date().toISOString() }));
    const pod = await logInPod(suite.broker);
    await fetch(`${suite.broker.url}/api/v1/secrets/demo/shop/api`, {
      headers: { Authorization: `Bearer ${pod}` },
    });
    const [leases] = await Promise.all([
      suite.api('GET', 'leases?path=demo/shop/api&limit=1'),
      suite.api('POST', 'evidence', { report }),
    ]);
    const [lease] = leases['items'] as readonly { readonly id: string }[];
    const page = await suite.signIn();
    const searches: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/audit/entries?')) searches.push(request.url());
    });
    const wanted = [
      ['demo-web', 'demo-web policy', '/documents/policy/demo-web'],
      ['bootstrap', 'bootstrap operator', '/access/bootstrap'],
      [INDEX.slice(7, 30), `${INDEX} image`, `/posture?image=${encodeURIComponent(INDEX)}`],
      [INDEX, `${INDEX} image`, `/posture?image=${encodeURIComponent(INDEX)}`],
      ['1', '1 entry', '/audit/1'],
      [lease?.id, `demo/shop/api ${lease?.id} lease`, '/leases?path=demo%2Fshop%2Fapi'],
    ] as const;
    for (const [typed = '', option, path] of wanted) {
      await page.keyboard.press('Control+k');
      await page.locator('.palette input:focus').waitFor();
      await page.keyboard.type(typed);
      const result = page.getByRole('option', { name: option, exact: true });
      await result.waitFor();
      await until('the option is chosen', async () => {
        if ((await result.getAttribute('aria-selected')) === 'true') return true;
        await page.keyboard.press('ArrowDown');
        return false;
      });
      await page.keyboard.press('Enter');
      await page.locator('.palette').waitFor({ state: 'detached' });
      expect(page.url()).toBe(suite.at(path));
    }
    searches.length = 0;
    await page.keyboard.press('Control+k');
    await page.locator('.palette input:focus').waitFor();
    for (const typed of ['no such name', 'nor this one']) {
      await page.keyboard.press('Control+a');
      await page.keyboard.type(typed);
      await page.getByText('Nothing that you may list has this name.').waitFor();
    }
    expect(searches).toHaveLength(1);
  });

  it('finds nothing that the operator may not list, and asks for a refused list once', async () => {
    const token = await suite.operatorWith('seeker', 'rotator', ['demo']);
    const page = await suite.signIn('/rotations', token);
    const refused: string[] = [];
    page.on('response', (response) => {
      if (response.status() === 403) refused.push(new URL(response.url()).pathname);
    });
    for (let times = 0; times < 2; times += 1) {
      await page.keyboard.press('Control+k');
      await page.locator('.palette input:focus').waitFor();
      await page.keyboard.type('demo-web');
      await page.getByText('Nothing that you may list has this name.').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('.palette').waitFor({ state: 'detached' });
    }
    expect(refused).toEqual([...new Set(refused)]);
    expect(refused).toContain('/console/call/api/v1/policies');
  });

  it('shows who operates the broker with which rights, and revokes a token', async () => {
    await suite.operatorWith('on-call', 'rotator', ['demo']);
    const page = await suite.signIn('/access');
    const operators = page.getByRole('table', { name: 'Operators' });
    await operators.getByRole('row', { name: /on-call rotator for demo/ }).waitFor();
    await operators.getByRole('link', { name: 'on-call' }).click();
    const tokens = page.getByRole('table', { name: 'Tokens' });
    await tokens.getByText('rotator for demo').waitFor();
    await tokens.getByRole('button', { name: /^Revoke tok_/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('The operator has no token.').waitFor();
    expect((await suite.api('GET', 'operators/on-call/tokens'))['items']).toEqual([]);
  });

  it('shows what a workload may do and read, and what posture profiles find at its pods', async () => {
    await suite.api('PUT', 'posture-profiles/strict', {
      mode: 'audit',
      match: { namespaces: ['shop'] },
      pod: { securityStandard: { level: 'restricted', version: 'latest' } },
    });
    await logInPod(suite.broker);
    const page = await suite.signIn('/workloads/k8s/dev/shop/web');
    const may = page.getByRole('region', { name: 'What it may do' });
    await may.getByLabel('Path').fill('demo/shop/api');
    await may.getByRole('button', { name: 'Explain' }).click();
    await may.getByText('● may read').waitFor();
    const posture = page.getByRole('region', { name: 'Posture' });
    await posture.getByRole('button', { name: 'Check 1 pod' }).click();
    await posture
      .getByRole('row', { name: /web-0 strict audit not met fail pod_security: .*restricted/ })
      .waitFor();
    await posture
      .getByText('quaymaster posture explain --cluster dev --namespace shop --pod web-0')
      .waitFor();
    await page.getByRole('link', { name: 'Reads of the workload' }).click();
    await page
      .getByRole('list', { name: 'Filters in force' })
      .getByText('--workload k8s://dev/shop/web')
      .waitFor();
  });

  it('shows which rights an operator gains and loses before the change is saved', async () => {
    await suite.api('PUT', 'operators/mover', { grants: [{ role: 'rotator', scope: ['demo'] }] });
    const page = await suite.signIn('/documents/operator/mover', suite.broker.token, PIXEL);
    await page.getByRole('button', { name: 'Edit' }).tap();
    await page.getByRole('textbox', { name: 'Text of the operator' }).click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText('grants: [{ role: auditor }]\n');
    await page.getByText('● The broker would accept it').waitFor();
    await page.getByRole('button', { name: 'Save' }).tap();
    const rights = page.getByRole('dialog').getByRole('list', { name: 'Rights that change' });
    await rights.getByText('auditor for everything').waitFor();
    await rights.getByText('rotator for demo').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).tap();
    // The check of the text before says nothing about a text that does not parse.
    await page.getByRole('textbox', { name: 'Text of the operator' }).click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('[half: "');
    await page
      .getByText('■ Failed')
      .or(page.getByRole('list', { name: 'Faults' }))
      .waitFor();
    await page.getByRole('textbox').getByText('[half').waitFor();
  });

  it('shows the broker, its mounts with a check, keys, and in words of the API what is not configured', async () => {
    const page = await suite.signIn('/system');
    await page.getByText('● ready').first().waitFor();
    await page.getByRole('button', { name: 'Check demo' }).click();
    await page.getByText('the store accepts commits').waitFor();
    await page.getByRole('table', { name: 'Root keys' }).getByText('● active').waitFor();
    await page.getByText('has no section "backup"').waitFor();
    await page.getByText('runs without a configuration file').waitFor();
    const brokers = page.getByRole('table', { name: 'Brokers' });
    await brokers.getByRole('row', { name: /^w.* no stop recorded/ }).waitFor();
  });

  it('shows the settings of a broker with a configuration file', async () => {
    const page = await suite.open();
    await page.route('**/console/call/api/v1/configuration', (route) =>
      route.fulfill({
        json: {
          generation: 1,
          digest: '0'.repeat(64),
          loadedAt: new Date().toISOString(),
          settings: { log: { level: 'debug' } },
        },
      }),
    );
    await page.goto(suite.at('/system'));
    await suite.signInOn(page);
    await page.getByText('All settings, with their defaults').click();
    await page.getByText('"level": "debug"').waitFor();
  });

  it('shows which watch of a cluster shows nothing now', async () => {
    const [status, clusters] = await Promise.all([
      suite.api('GET', 'status'),
      suite.api('GET', 'clusters'),
    ]);
    const [dev] = clusters['items'] as readonly { readonly document: object }[];
    const items = ['north', 'south'].map((name) => ({
      ...dev,
      name,
      document: { ...dev?.document, podWatch: true },
    }));
    const down = { cluster: 'south', connection: 'south', resource: 'pods', status: 'stale' };
    const page = await suite.open();
    const calls = '**/console/call/api/v1';
    await page.route(`${calls}/clusters?**`, (route) => route.fulfill({ json: { items } }));
    await page.route(`${calls}/status`, (route) =>
      route.fulfill({ json: { ...status, watchesDown: [down] } }),
    );
    await page.goto(`${suite.broker.url}/console/system`);
    await suite.signInOn(page);
    const table = page.getByRole('table', { name: 'Clusters' });
    await table.getByRole('row', { name: /^north .* live$/ }).waitFor();
    await table.getByRole('row', { name: /^south .* pods stale/ }).waitFor();
  });

  it('surveys the pods that hold sessions, for a saved profile and for a draft', async () => {
    await logInPod(suite.broker);
    const page = await suite.signIn('/posture');
    await page.getByRole('button', { name: 'Survey demo-scanned' }).click();
    await page.getByText(/of \d+ pods? fails?/).waitFor();
    await page.getByRole('link', { name: 'demo-scanned' }).click();
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('textbox', { name: 'Text of the posture-profile' }).click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(
      'mode: enforce\nmatch: { namespaces: [shop] }\npod: { securityStandard: { level: restricted, version: latest } }\n',
    );
    await page.getByText('● The broker would accept it').waitFor();
    await page.getByRole('button', { name: 'Show which pods fail' }).click();
    await page.getByText(/[1-9]\d* of \d+ pods? fails?/).waitFor();
  });

  it('shows a role the words of the API where it may not look', async () => {
    const token = await suite.operatorWith('rotator-here', 'rotator', ['demo']);
    const page = await suite.signIn('/access', token);
    await page.getByRole('note').getByText('this needs the role').first().waitFor();
    await page.getByRole('link', { name: 'System' }).click();
    await page.getByRole('heading', { name: 'Keys' }).waitFor();
    await page.getByRole('region', { name: 'Keys' }).getByText('this needs the role').waitFor();
    await page.getByRole('link', { name: 'Posture' }).click();
    await page.getByRole('region', { name: 'Profiles' }).getByText('this needs the role').waitFor();
  });

  it('violated its policy nowhere, and logged no error', () => {
    expect(suite.complaints).toEqual([]);
  });
});
