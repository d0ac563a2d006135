import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { DevBroker } from '../broker/dev-broker.ts';

/** An address of the console. */
export interface View {
  readonly name: string;
  readonly path: string;
  /** Steps that show more of the view. */
  readonly open?: (page: Page) => Promise<void>;
}

/** Ids of what the demonstration has, and of what `prepareViews` adds. */
export interface Prepared {
  readonly alert: string;
  readonly approval: string;
}

interface Item {
  readonly id: string;
}

/** Adds what the demonstration does not have: a request that waits for an approval. */
export async function prepareViews(broker: DevBroker): Promise<Prepared> {
  const api = async (
    method: string,
    path: string,
    body?: object,
    token = broker.token,
  ): Promise<unknown> => {
    const answer = await fetch(`${broker.url}/api/v1/${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json', 'If-None-Match': '*' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer.json();
  };
  const pod = await logInPod(broker);
  for (const path of ['demo/shop/db', 'demo/shop/api'])
    await fetch(`${broker.url}/api/v1/secrets/${path}`, {
      headers: { Authorization: `Bearer ${pod}` },
    });
  const { items: alerts } = (await api('GET', 'alerts')) as { readonly items: readonly Item[] };
  await api('PUT', 'operators/oncall', { grants: [{ role: 'rotator', scope: ['demo'] }] });
  const created = await api('POST', 'operators/oncall/tokens', { ttl: '1h' });
  const order = {
    role: 'secret-reader',
    scope: ['demo/payments'],
    duration: '30m',
    reason: 'INC-7: the payment gateway refuses its password',
  };
  const { token } = created as { readonly token: string };
  await api('POST', 'approvals:break-glass', order, token);
  const { items } = (await api('GET', 'approvals')) as { readonly items: readonly Item[] };
  return { alert: alerts[0]?.id ?? '', approval: items[0]?.id ?? '' };
}

/** Logs the pod of the demonstration in. @returns the token of its session */
export async function logInPod({ url, directory }: DevBroker): Promise<string> {
  const body = await readFile(join(directory, '.quaymaster/login.json'), 'utf8');
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}/api/v1/sessions`, { method: 'POST', headers, body });
  return ((await answer.json()) as { readonly token: string }).token;
}

/** All views, with the data of the demonstration. */
export function consoleViews({ alert, approval }: Prepared): readonly View[] {
  return [
    { name: 'home', path: '/' },
    { name: 'secrets', path: '/secrets/' },
    { name: 'folder', path: '/secrets/demo/shop/' },
    { name: 'secret', path: '/secrets/demo/shop/db' },
    { name: 'compare', path: '/secrets/demo/shop/?with=demo/payments' },
    { name: 'workloads', path: '/workloads' },
    { name: 'workload', path: '/workloads/k8s/dev/shop/web' },
    { name: 'rotations', path: '/rotations' },
    { name: 'rotation', path: '/rotations/demo/shop/db' },
    { name: 'leases', path: '/leases' },
    { name: 'leases-of-path', path: '/leases?path=demo/shop/db' },
    { name: 'audit', path: '/audit?action=secret.read' },
    {
      name: 'entry',
      path: '/audit/1',
      open: (page) => page.getByText('● Proven').waitFor(),
    },
    {
      name: 'compliance',
      path: '/audit/compliance',
      open: async (page) => {
        await page.getByRole('button', { name: 'Assess the controls' }).click();
        const verify = page.getByRole('button', { name: 'Verify in this browser' });
        await verify.click({ timeout: 120_000 });
        await page.getByText(/● (\d+) of \1 proven/).waitFor();
      },
    },
    {
      name: 'edit',
      path: '/secrets/demo/shop/api',
      open: async (page) => {
        await page.getByRole('button', { name: 'Edit keys' }).click();
        await page.getByLabel('Key 1', { exact: true }).fill('token');
        await page.getByRole('dialog').getByText('sets token').waitFor();
      },
    },
    { name: 'documents', path: '/documents' },
    { name: 'policies', path: '/documents/policy' },
    { name: 'policy', path: '/documents/policy/demo-web' },
    {
      name: 'policy-edit',
      path: '/documents/policy/demo-web',
      open: async (page) => {
        await page.getByRole('button', { name: 'Edit' }).click();
        await page.getByRole('textbox', { name: 'Text of the policy' }).waitFor();
        await page.getByText('● The broker would accept it').waitFor();
        await page.getByRole('button', { name: 'Show who gains and who loses' }).click();
        await page.getByText('No workload that asked before').waitFor();
        await page.getByRole('button', { name: 'Show who gains and who loses' }).waitFor();
      },
    },
    { name: 'access', path: '/access' },
    { name: 'operator', path: '/access/oncall' },
    { name: 'system', path: '/system' },
    { name: 'posture', path: '/posture' },
    { name: 'incidents', path: '/incidents' },
    { name: 'incident', path: `/incidents/${alert}` },
    { name: 'approvals', path: '/approvals' },
    { name: 'approval', path: `/approvals/${approval}` },
    {
      name: 'search',
      path: '/',
      open: async (page) => {
        await page.keyboard.press('/');
        await page.getByRole('combobox').fill('db');
        await page.getByRole('option').first().waitFor();
      },
    },
    {
      name: 'dialog',
      path: '/workloads/k8s/dev/shop/web',
      open: (page) => page.getByRole('button', { name: 'Quarantine', exact: true }).click(),
    },
    { name: 'nothing', path: '/no-such-view' },
  ];
}
