import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Everything that a page needs is served by voiced: no inlined scripts or styles, which the content security policy refuses.
export default defineConfig({
  base: '/',
  plugins: [react()],
  build: { outDir: 'dist', assetsInlineLimit: 0, target: 'es2022', modulePreload: { polyfill: false }, cssCodeSplit: false },
});
