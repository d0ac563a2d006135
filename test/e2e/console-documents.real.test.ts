import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { startDevBroker } from '../kit/broker/dev-broker.ts';
import { accessibilityFindings, startBrowser } from '../kit/console/browser.ts';
import { ConsoleSuite } from '../kit/console/session.ts';

describeWith(['headless'], 'documents in the console', ({ headless }) => {
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

  it('edits a policy: completes, shows faults where they are, who loses access, and the lines that change', async () => {
    const page = await suite.signIn('/documents/policy/demo-web');
    await page.getByRole('button', { name: 'Edit' }).click();
    const text = page.getByRole('textbox', { name: 'Text of the policy' });
    await text.click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('      eff');
    const option = page.getByRole('option', { name: /effect/ });
    // The schemas may come after the keys.
    await until('the editor completes', async () => {
      await page.keyboard.press('Control+Space');
      return (await option.count()) > 0;
    });
    await page.keyboard.press('Escape');
    await page.keyboard.type('oo: 1');
    await page.getByRole('list', { name: 'Faults' }).getByText('is not a known field').waitFor();
    expect(await page.locator('.cm-lintRange').count()).toBe(1);
    expect(await accessibilityFindings(page)).toEqual([]);
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(await policyText('demo/${namespace}/nothing'));
    await page.getByText('● The broker would accept it').waitFor();
    await page.getByRole('button', { name: 'Show who gains and who loses' }).click();
    const changes = page.getByRole('table', { name: 'Who gains and who loses' });
    await changes
      .getByRole('row', { name: /loses.*demo\/shop\/db/ })
      .first()
      .waitFor();
    // A text that does not parse as YAML for a moment, while the answer about the text before is shown.
    await text.click();
    await page.keyboard.press('Control+End');
    await page.keyboard.insertText('unfinished');
    await page.getByRole('list', { name: 'Faults' }).waitFor();
    await page.keyboard.press('Control+z');
    await page.getByText('● The broker would accept it').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('added: ').first().waitFor({ state: 'attached' });
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('table', { name: 'Versions' }).getByText('● current').waitFor();
    await page.getByRole('button', { name: 'Show the changes of 2' }).click();
    const diff = page.getByRole('list', { name: 'Changes of version 2' });
    await diff.getByText('nothing').waitFor();
    expect((await suite.api('GET', 'policies/demo-web'))['version']).toBe(2);
  });

  /** The policy of the demonstration with another path. */
  async function policyText(path: string): Promise<string> {
    const { document } = await suite.api('GET', 'policies/demo-web');
    const text = JSON.stringify(document);
    return text.replace('demo/${namespace}/**', path);
  }

  it('keeps what was typed when another person saves first, and shows what that person changed', async () => {
    const page = await suite.signIn('/documents/mount');
    await page.getByRole('button', { name: 'New mount' }).click();
    await page.getByLabel('Name').fill('made');
    await page.getByRole('textbox', { name: 'Text of the mount' }).click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText('prefix: made\nconnection: embedded\n');
    await page.getByText('● The broker would accept it').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('textbox', { name: 'Text of the mount' }).click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('leaseTtl: 5m');
    await page.getByText('● The broker would accept it').waitFor();
    const { etag } = await suite.api('GET', 'mounts/made');
    const changed = { prefix: 'made', connection: 'embedded', cacheTtl: '1m' };
    await suite.api('PUT', 'mounts/made', changed, { 'If-Match': etag as string });
    await page.getByText('Version 2 was written while you typed').waitFor();
    await page
      .getByRole('list', { name: 'Changes of the other person' })
      .getByText('cacheTtl')
      .waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('Failed').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Continue from version 2' }).click();
    await page.getByRole('textbox').getByText('leaseTtl: 5m').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Show the changes of 3' }).waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'New mount' }).waitFor();
    expect(JSON.stringify(await suite.api('GET', 'mounts'))).not.toContain('"made"');
  });

  it('explains the decision about any workload and path', async () => {
    const page = await suite.signIn('/documents/explain');
    await page.getByLabel('Workload').fill('k8s://dev/shop/web');
    await page.getByLabel('Path').fill('demo/payments/db');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('■ may not read').waitFor();
    // An answer is about the question that was asked.
    await page.getByLabel('Capability').selectOption('write');
    expect(await page.getByText('■ may not').count()).toBe(0);
  });

  it('shows a role that may not see documents the words of the API, and no document', async () => {
    const token = await suite.operatorWith('only-rotator', 'rotator', ['demo']);
    const page = await suite.signIn('/documents/policy/demo-web', token);
    await page.getByRole('note').getByText('this needs the role').first().waitFor();
    expect(await page.content()).not.toContain('serviceAccounts');
    expect(await page.getByRole('button', { name: 'Edit' }).count()).toBe(0);
  });

  it('violated its policy nowhere, and logged no error', () => {
    expect(suite.complaints).toEqual([]);
  });
});
