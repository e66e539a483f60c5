import { start } from '../shared/page.js';

start();
