// Numbers of elements, as integers as wide as the elements: lanes of vectors go together.
#pragma once
#include <stdint.h>

namespace pag {

template <class T>
struct Place;
template <>
struct Place<float> {
  using type = int32_t;
};
template <>
struct Place<double> {
  using type = int64_t;
};

}  // namespace pag
