import type { Routes } from '../../api/request/route.ts';
import type { CoreRoutes } from '../../api/routes/index.ts';
import { alerts } from '../../features/alerts/feature.ts';
import { approvals } from '../../features/approvals/feature.ts';
import { copies } from '../../features/copies/feature.ts';
import { customResources } from '../../features/custom-resources/feature.ts';
import type { Option } from './feature.ts';
import { posture } from './posture.ts';

/** The options of the program: all that there are. */
export const OPTIONS: readonly Option[] = [copies, customResources, approvals, posture, alerts];

/** Routes of all options. A row of `access.ts` that has a route neither here nor in the core does not compile. */
export const OPTION_ROUTES: Omit<Routes, keyof CoreRoutes> = {
  ...copies.routes,
  ...approvals.routes,
  ...posture.routes,
  ...alerts.routes,
};

export function routesOf(options: readonly Option[]): Partial<Routes> {
  return Object.assign({}, ...options.map(({ routes }) => routes)) as Partial<Routes>;
}
