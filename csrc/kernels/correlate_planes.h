// Correlations with few outputs, such as depthwise ones, plane by plane.
#pragma once
#include <vector>

#include "kernels/correlate.h"

namespace pag {

// Whether the plane loops are the faster ones.
template <class T>
bool prefers_planes(const Correlation<T>& p);

// As `correlate`; all parts have the same images, groups and outputs.
template <class T>
void correlate_planes(const std::vector<Correlation<T>>& parts);

}  // namespace pag
