import { render } from 'preact';
import { startRefreshing } from './load.ts';
import { startLive } from './live.ts';
import { startRouter } from './router.ts';
import { startSession } from './session.ts';
import { Shell } from './shell.tsx';

startRouter();
startSession();
startRefreshing();
startLive();
render(<Shell />, document.body);
