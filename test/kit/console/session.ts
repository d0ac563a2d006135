import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import type { DevBroker } from '../broker/dev-broker.ts';
import { observe, openPage, type ObservedPage } from './browser.ts';

/** A browser and the broker of a suite, with what its tests do most. */
export class ConsoleSuite {
  readonly broker: DevBroker;
  readonly browser: Browser;
  /** Every page of the suite: none may violate its policy. */
  readonly opened: ObservedPage[] = [];

  constructor(broker: DevBroker, browser: Browser) {
    this.broker = broker;
    this.browser = browser;
  }

  /** Opens a page of a browser profile of its own, at no address yet. */
  async open(options: BrowserContextOptions = {}): Promise<Page> {
    const observed = await openPage(this.browser, options);
    this.opened.push(observed);
    return observed.page;
  }

  /** Opens another tab of a profile. */
  async openTab(context: BrowserContext): Promise<Page> {
    const observed = await observe(await context.newPage());
    this.opened.push(observed);
    return observed.page;
  }

  /** The address of a view. */
  at(path: string): string {
    return `${this.broker.url}/console${path}`;
  }

  /** Signs out, and waits for the login. */
  async signOut(page: Page): Promise<void> {
    await page.locator('.account > button').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Operator token').waitFor();
  }

  /** Signs in on a page that shows the login. */
  async signInOn(page: Page, token = this.broker.token): Promise<void> {
    await page.getByLabel('Operator token').fill(token);
    await page.getByRole('button', { name: 'Sign in with a token' }).click();
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
  }

  /** Opens a page that is signed in already: the login view is not drawn. */
  async signIn(
    path = '/',
    token = this.broker.token,
    options: BrowserContextOptions = {},
  ): Promise<Page> {
    const page = await this.open(options);
    const answer = await page.context().request.post(this.at('/session'), {
      headers: {
        Origin: this.broker.url,
        'Sec-Fetch-Site': 'same-origin',
        'X-Quaymaster-Console': 'test',
      },
      data: { token },
    });
    if (!answer.ok()) throw new Error(`POST /console/session: ${answer.status()}`);
    await page.goto(this.at(path));
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
    return page;
  }

  /** Calls the API as the operator of the demonstration. */
  async api(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = { 'If-None-Match': '*' },
  ): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.broker.url}/api/v1/${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.broker.token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json', ...headers }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  /** A token of a new operator with one role below some prefixes. */
  async operatorWith(
    name: string,
    role: string,
    scope: readonly string[] = [],
    ttl = '10m',
  ): Promise<string> {
    await this.api('PUT', `operators/${name}`, { grants: [{ role, scope }] });
    const created = await this.api('POST', `operators/${name}/tokens`, { ttl });
    return created['token'] as string;
  }

  /** Everything that the browser complained about. */
  get complaints(): readonly string[] {
    return this.opened.flatMap(({ complaints }) => complaints);
  }
}
