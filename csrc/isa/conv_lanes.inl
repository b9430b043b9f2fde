// Convolutions whose vectors run along groups or images.
#pragma once
#include "isa/conv.inl"
#include "isa/conv_lanes.h"

namespace {

using pag::GroupProducts;
using pag::ImageProducts;

// ---- groups -------------------------------------------------------------------------------------

// P runs of Q results. S: their sources are so many vectors apart; 0 is any distance.
template <class T, int P, int Q, int S>
void group_tile(const GroupProducts<T>& g, const T* x, T* out) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> acc[P][Q] = {};
  const GatherTerm* term = g.terms;
  for (int64_t kk = g.k; kk > 0; --kk, ++term) {
    const Vec<T> b = vload(g.b + term->b);
    const T* run = x + term->x;
    PAG_UNROLL
    for (int p = 0; p < P; ++p, run += g.x_run) {
      const T* at = run;
      PAG_UNROLL
      for (int q = 0; q < Q; ++q) {
        acc[p][q] = vfma(vload(at), b, acc[p][q]);
        if (S)
          at += S * L;
        else
          at += g.x_step;
      }
    }
  }
  PAG_UNROLL
  for (int p = 0; p < P; ++p) PAG_UNROLL
  for (int q = 0; q < Q; ++q) {
    T* to = out + p * g.out_run + q * g.out_step;
    vstore(to, acc[p][q] + vload(g.start ? g.start : to));
  }
}

// Most results of a run, and of a tile: their sums and one vector of b fit the registers.
constexpr int kGroupRun = 8, kGroupTile = 10;
constexpr int kGroupRuns = 3;
template <int P, int Q>
constexpr int kRunsThatFit = P * Q <= kGroupTile  ? P
                             : kGroupTile / Q > 1 ? kGroupTile / Q
                                                  : 1;

template <class T>
using GroupFn = void (*)(const GroupProducts<T>&, const T*, T*);

#define PAG_GROUP_TILES(P, S)                                                        \
  {group_tile<T, kRunsThatFit<P, 1>, 1, S>, group_tile<T, kRunsThatFit<P, 2>, 2, S>, \
   group_tile<T, kRunsThatFit<P, 3>, 3, S>, group_tile<T, kRunsThatFit<P, 4>, 4, S>, \
   group_tile<T, kRunsThatFit<P, 5>, 5, S>, group_tile<T, kRunsThatFit<P, 6>, 6, S>, \
   group_tile<T, kRunsThatFit<P, 7>, 7, S>, group_tile<T, kRunsThatFit<P, 8>, 8, S>}
#define PAG_GROUP_RUNS(S) {PAG_GROUP_TILES(1, S), PAG_GROUP_TILES(2, S), PAG_GROUP_TILES(3, S)}
template <class T>
void group_products(const GroupProducts<T>& g) {
  constexpr int64_t L = kLanes<T>;
  static const GroupFn<T> tiles[3][kGroupRuns][kGroupRun] = {PAG_GROUP_RUNS(0), PAG_GROUP_RUNS(1),
                                                             PAG_GROUP_RUNS(2)};
  const int step = g.x_step == L ? 1 : g.x_step == 2 * L ? 2 : 0;
  const auto& of_step = tiles[step];
  int64_t width, left = (g.count + kGroupRun - 1) / kGroupRun;  // tiles of equal width, or one less
  for (int64_t q = 0; left > 0; q += width, --left) {
    width = (g.count - q + left - 1) / left;
    const int64_t fitting = kGroupTile / width;
    const int64_t most = fitting < 1 ? 1 : fitting < kGroupRuns ? fitting : kGroupRuns;
    int64_t height, below = (g.runs + most - 1) / most;
    for (int64_t p = 0; below > 0; p += height, --below) {
      height = (g.runs - p + below - 1) / below;
      of_step[height - 1][width - 1](g, g.x + p * g.x_run + q * g.x_step,
                                     g.out + p * g.out_run + q * g.out_step);
    }
  }
}
#undef PAG_GROUP_RUNS
#undef PAG_GROUP_TILES

// ---- images -------------------------------------------------------------------------------------

// R outputs of V pixels.
template <class T, int R, int V>
void image_tile(const ImageProducts<T>& g, const GatherRow* pixels, int64_t first) {
  Vec<T> acc[R][V] = {};
  int64_t from[V];
  PAG_UNROLL
  for (int j = 0; j < V; ++j) from[j] = pixels[j].from;
  const T* x = g.x;
  const T* w = g.w + first * g.w_row;
  const int64_t w_row = g.w_row;
  for (int64_t c = g.channels; c > 0; --c, x += g.x_channel, w += g.w_channel) {
    const GatherTerm* term = g.terms;
    for (int64_t kk = g.k; kk > 0; --kk, ++term) {
      const T* at = x + term->x;
      const T* weight = w + term->b;
      Vec<T> xv[V];
      PAG_UNROLL
      for (int j = 0; j < V; ++j) xv[j] = vload(at + from[j]);
      PAG_UNROLL
      for (int i = 0; i < R; ++i) {
        const Vec<T> wv = vset(weight[i * w_row]);
        PAG_UNROLL
        for (int j = 0; j < V; ++j) acc[i][j] = vfma(wv, xv[j], acc[i][j]);
      }
    }
  }
  PAG_UNROLL
  for (int i = 0; i < R; ++i) {
    const Vec<T> bias = vset(g.bias ? g.bias[first + i] : T(0));
    T* out = g.out + (first + i) * g.out_row;
    PAG_UNROLL
    for (int j = 0; j < V; ++j) vstore(out + pixels[j].to, acc[i][j] + bias);
  }
}

template <class T>
using ImageFn = void (*)(const ImageProducts<T>&, const GatherRow*, int64_t);

#define PAG_IMAGE_ROW(R)                                                         \
  {image_tile<T, R, 1>, image_tile<T, R, 2>, image_tile<T, R, kTileVectors - 1>, \
   image_tile<T, R, kTileVectors>}
template <class T>
void image_products(const ImageProducts<T>& g) {
  static const ImageFn<T> tiles[kTileRows][4] = {PAG_IMAGE_ROW(1), PAG_IMAGE_ROW(2),
                                                 PAG_IMAGE_ROW(3), PAG_IMAGE_ROW(4),
                                                 PAG_IMAGE_ROW(5), PAG_IMAGE_ROW(6)};
  for (int64_t p = 0; p < g.n; p += kTileVectors) {
    const int64_t pixels = g.n - p < kTileVectors ? g.n - p : kTileVectors;
    int64_t rows, left = (g.m + kTileRows - 1) / kTileRows;  // tiles of equal height, or one less
    for (int64_t i = 0; left > 0; i += rows, --left) {
      rows = (g.m - i + left - 1) / left;
      tiles[rows - 1][pixels - 1](g, g.pixels + p, i);
    }
  }
}
#undef PAG_IMAGE_ROW

// ---- moving -------------------------------------------------------------------------------------

template <class T>
void conv_to_lanes(int64_t n, int lanes, const T* x, int64_t x_lane, const int64_t* places,
                   T* out) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < n;) {
    const int64_t left = n - i;
    if (left < L && n >= L) i = n - L;  // some pixels once more
    const int width = static_cast<int>(n < L ? n : L);
    Vec<T> block[L];
    PAG_UNROLL
    for (int l = 0; l < L; ++l)
      block[l] = l < lanes ? vload_lanes(x + l * x_lane + i, width) : Vec<T>{};
    vtranspose<T>(block);
    PAG_UNROLL
    for (int l = 0; l < L; ++l)
      if (l < width) vstore(out + places[i + l], block[l]);
    i += L;
  }
}

}  // namespace

#define PAG_CONV_LANE_LOOPS(T) {group_products<T>, image_products<T>, conv_to_lanes<T>}
