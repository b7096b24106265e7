<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE 書函 SYSTEM "104_2_utf8.dtd">
<書函><主旨><文字>範例</文字></主旨></書函>
