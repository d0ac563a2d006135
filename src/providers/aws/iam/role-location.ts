/** `roles/<account>/<path and name>`, each segment encoded. */
export function formatRoleLocation(account: string, role: string): string {
  return ['roles', account, ...role.split('/').map(encodeURIComponent)].join('/');
}

/** The ARN of the role at a place that `formatRoleLocation` made. */
export function roleArnOf(locator: string, partition: string): string {
  const [, account = '', ...segments] = locator.split('/').map(decodeURIComponent);
  return `arn:${partition}:iam::${account}:role/${segments.join('/')}`;
}
