import type { Page } from 'playwright-core';

/** Sends what a script of another page can send to the console at `base`. @returns for each request the type of its answer, or `refused` */
export function forgeRequests(
  page: Page,
  base: string,
  token: string,
): Promise<readonly ('opaque' | 'cors' | 'refused')[]> {
  return page.evaluate(`(async () => {
    const order = JSON.stringify({ kind: 'workload', workload: 'k8s://dev/shop/web', reason: 'forged' });
    const login = JSON.stringify({ token: '${token}' });
    const own = { 'Content-Type': 'application/json', 'X-Quaymaster-Console': 'x' };
    const attempts = [
      ['/call/api/v1/quarantines', { method: 'POST', mode: 'no-cors', body: order }],
      ['/call/api/v1/quarantines', { method: 'POST', headers: own, body: order }],
      ['/session', { method: 'POST', mode: 'no-cors', body: login }],
      ['/session', { method: 'DELETE' }],
      ['/call/api/v1/secrets', {}],
      ['/session', {}],
    ];
    const results = [];
    for (const [path, options] of attempts)
      results.push(await fetch('${base}' + path, { credentials: 'include', ...options })
        .then(({ type }) => type, () => 'refused'));
    return results;
  })()`);
}

/** Submits a form whose text is valid JSON, which needs no script of the console. */
export async function submitForgedLogin(page: Page, action: string, token: string): Promise<void> {
  await page.evaluate(`(() => {
    const form = document.createElement('form');
    Object.assign(form, { method: 'POST', action: '${action}', enctype: 'text/plain' });
    const field = document.createElement('input');
    Object.assign(field, { name: '{"token":"${token}"}', value: '' });
    form.append(field);
    document.body.append(form);
    form.submit();
  })()`);
}

/** Sends each operation for a real and for a guessed name, as a script of the console. @returns the operation and both answers */
export function askBoth(
  page: Page,
  pairs: readonly (readonly [method: string, real: string, guessed: string])[],
): Promise<readonly (readonly [operation: string, real: string, guessed: string])[]> {
  return page.evaluate(`(async () => {
    const build = document.querySelector('meta[name="build"]').content;
    const ask = async (method, path) => {
      const answer = await fetch('/console/call/api/v1/' + path, {
        method,
        headers: { 'X-Quaymaster-Console': build, 'Content-Type': 'application/json' },
        ...(method === 'POST' && { body: '{}' }),
      });
      const { code, detail } = await answer.json();
      return [answer.status, code, detail].join(' ');
    };
    const all = [];
    for (const [method, real, guessed] of ${JSON.stringify(pairs)})
      all.push([method + ' ' + real, await ask(method, real), await ask(method, guessed)]);
    return all;
  })()`);
}

/** Everything that a page and the storage of its origin hold, as one text. */
export function everythingKept(page: Page): Promise<string> {
  return page.evaluate(`(async () => JSON.stringify([
    document.documentElement.outerHTML, location.href, history.state, document.cookie, name,
    { ...localStorage }, { ...sessionStorage }, await indexedDB.databases(), await caches.keys(),
    (await navigator.serviceWorker.getRegistrations()).length,
    performance.getEntries().map((entry) => entry.name),
  ]))()`);
}

/** Elements with turned text that is not isolated: it reorders what stands beside it. */
export function looseTurnedTexts(page: Page): Promise<readonly string[]> {
  return page.evaluate(`(() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
      const { data, parentElement } = texts.currentNode;
      if (data.includes('\\u202e') && parentElement.closest('bdi') === null)
        found.push(parentElement.outerHTML);
    }
    return found;
  })()`);
}

/** Makes the page lose the first answer of an operation that the broker did. */
export async function loseFirstAnswer(page: Page, end: string): Promise<void> {
  await page.evaluate(`(() => {
    const send = fetch;
    let isLost = false;
    globalThis.fetch = async (url, options) => {
      const answer = await send(url, options);
      if (isLost || !url.endsWith('${end}')) return answer;
      isLost = true;
      throw new TypeError('the answer is lost');
    };
  })()`);
}
